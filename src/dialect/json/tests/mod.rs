mod properties;
mod traps;
