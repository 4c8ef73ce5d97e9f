//! Known mistakes, planted to see that the simulator's checkers catch them.
//!
//! At the place of each the cores ask [`planted`]. Without the feature `planted` the answer is a
//! constant no, and nothing of the mistake is compiled; `tribune` does not build with the feature.
//! What catches each of them is shown by `crates/sim/examples/planted.rs`.

/// Whether this build can make mistakes on demand.
pub const COMPILED_IN: bool = cfg!(feature = "planted");

/// Whether the present thread makes that mistake.
#[inline(always)]
pub fn planted(fault: Fault) -> bool {
    chosen() == Some(fault)
}

#[cfg(feature = "planted")]
fn chosen() -> Option<Fault> {
    CHOSEN.get()
}

#[cfg(not(feature = "planted"))]
#[inline(always)]
fn chosen() -> Option<Fault> {
    None
}

/// From now on the present thread makes that mistake, and no other.
#[cfg(feature = "planted")]
pub fn plant(fault: Option<Fault>) {
    CHOSEN.set(fault);
}

#[cfg(feature = "planted")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $trap:literal,)*) => {
        /// A mistake that somebody could make, or has made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Fault] = &[$(Fault::$name),*];

            /// Which trap of the specification "Gossip wire protocol and behaviour" (part D) it
            /// is; "own" for those that are not in its list.
            pub fn trap(self) -> &'static str {
                match self {
                    $(Fault::$name => $trap,)*
                }
            }
        }
    };
}

faults! {
    /// Another's word that a member is dead is a verdict, not a suspicion.
    RemoteDeathBelieved: "D4",
    /// A listener answers a state exchange after the merge.
    ReplyAfterMerge: "D5",
    /// An alive of our own incarnation with other tags is not refuted.
    OtherTagsAccepted: "D6",
    /// What an exchange says of ourselves is not looked at.
    OwnEntrySkipped: "D7",
    /// The wait for the first ack grows with the own ill health.
    FirstWaitScaled: "D8",
    /// Helpers are asked under another number than the target was.
    NewNumberForHelpers: "D9",
    /// A relayed ack carries the target's coordinate.
    PayloadRelayed: "D10",
    /// Checksums go to everybody, whatever their version.
    ChecksumsForAll: "D11",
    /// A checksum is looked for outside the seal.
    ChecksumOutsideSeal: "D12",
    /// A compound has as many parts as its count can say.
    LongCompounds: "D15",
    /// A peer's clock is taken for a time that was used.
    PeerClockWitnessed: "D16",
    /// The status times of an exchange come before its leaves, whose times are taken as they are.
    StatusTimesFirst: "D17",
    /// A leave of a member that is leaving already does not renew its time.
    LeaveTimeKept: "D18",
    /// Whom the layer below calls left has left, intent or not.
    LeftWithoutIntent: "D19",
    /// Tag filters match whole values only.
    FiltersAnchored: "D21",
    /// What is passed on is encoded anew.
    PassedOnReencoded: "D22",
    /// A vote without voters is won.
    NoVotesWin: "D24",
    /// A member that the layer below has forgotten is erased.
    ForgottenIsErased: "D27",
    /// A joiner that wants no old events gets them.
    OldEventsTaken: "D28",
    /// A refutation has the incarnation that was accused.
    RefuteWithoutBump: "own",
    /// An accusation counts whatever the incarnation that it names.
    OldAccusationCounts: "own",
    /// A verdict counts whatever the incarnation that it names.
    OldVerdictCounts: "own",
    /// The word of one accuser shortens a suspicion as often as it comes.
    AccuserCountsTwice: "own",
    /// Suspicions are no longer in large clusters than in small ones.
    SuspicionUnscaled: "own",
    /// Nobody tries to reach the failed again.
    NeverReconnects: "own",
    /// Nobody is erased when its time is over.
    NobodyIsErased: "own",
    /// An event is new however old it is.
    WindowIgnored: "own",
    /// An event is delivered as often as it comes.
    RepeatedEventTaken: "own",
    /// An answer to a query counts as often as it comes.
    RepeatedAnswerCounts: "own",
    /// A query is open for ever.
    QueryNeverEnds: "own",
    /// Who has lost the vote goes on.
    LoserStays: "own",
    /// A broadcast does not replace the older one about the same member.
    OldBroadcastKept: "own",
    /// A clock shows the time after the last one that it has witnessed.
    ClockSetBack: "own",
    /// A third party brings back whom a death certificate covers.
    CertificateIgnored: "own",
    /// A joiner's word counts for all in its table, whatever certificates say.
    JoinersTableBelieved: "own",
    /// A probe on behalf of another is remembered for ever.
    RelaysKept: "own",
}
