//! Deliberate faults of the protocol, so that tests can show that they would notice them. Outside unit tests none can be applied.

/// A rule of the protocol that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// FILL does not compare incarnations.
    NoIncarnationCheck,
    /// BUMP deletes the scope instead of raising its floor.
    DeleteInsteadOfFloor,
    /// FILL wants a rev above the existing entry's.
    GreaterInFill,
    /// A push fills under whatever incarnation there is.
    PushWithoutOpen,
    /// The in-process window is counted from the reply.
    WindowFromReply,
    /// A reader takes over the result of any load, whenever it began.
    JoinAnyFlight,
    /// The source reads `rev` after the data (applied by the tests' source).
    #[cfg(test)]
    RevAfterData,
    /// A hit does not look at the floor.
    NoFloorCheck,
}

#[cfg(test)]
thread_local! {
    static APPLIED: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Runs with a fault applied on this thread.
#[cfg(test)]
pub(crate) fn with<T>(mutation: Option<Mutation>, run: impl FnOnce() -> T) -> T {
    APPLIED.set(mutation);
    let result = run();
    APPLIED.set(None);
    result
}

/// Whether a fault is applied.
#[cfg(test)]
pub(crate) fn applied(mutation: Mutation) -> bool {
    APPLIED.get() == Some(mutation)
}

/// Whether a fault is applied: never.
#[cfg(not(test))]
#[inline]
pub(crate) const fn applied(_mutation: Mutation) -> bool {
    false
}
