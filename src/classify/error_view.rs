/// The fields of an error body that tell something, whatever its envelope.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ErrorView {}
