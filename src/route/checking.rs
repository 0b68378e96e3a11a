use crate::{checks::Checks, dialect::EndpointKind, router::Score};

/// How much of a body that is no stream is kept for its judgement.
pub(super) const JUDGED: usize = 1024 * 1024;

/// What a check needs to know of the request, and what it cannot have of the answer otherwise.
pub(super) struct Checking {
    pub(super) checks: Checks,
    pub(super) endpoint: EndpointKind,
    pub(super) task: Option<String>,
    pub(super) json_mode: bool,
    /// Below which quality the answer is asked for again.
    pub(super) cascade: Option<Score>,
    /// The beginning of a body that is not kept whole.
    pub(super) copy: Vec<u8>,
    pub(super) complete: bool,
}

impl Checking {
    pub(super) fn new(
        checks: Checks,
        endpoint: EndpointKind,
        task: Option<&str>,
        json_mode: bool,
        cascade: Option<Score>,
    ) -> Box<Self> {
        Box::new(Self {
            checks,
            endpoint,
            task: task.map(str::to_owned),
            json_mode,
            cascade,
            copy: Vec::new(),
            complete: true,
        })
    }

    /// Keeps a copy of the next part of the body, as long as there is room.
    pub(super) fn keep(&mut self, data: &[u8]) {
        let room = JUDGED.saturating_sub(self.copy.len());
        self.complete &= data.len() <= room;
        self.copy
            .extend_from_slice(data.get(..room).unwrap_or(data));
    }
}
