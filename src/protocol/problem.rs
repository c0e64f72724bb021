//! What can be wrong with a request, as a code that programs and translations can rely on: the member `code` of a problem
//! document. Codes are never renamed, and a code always has the same status.

macro_rules! problem_codes {
    ($($(#[$doc:meta])+ $name:ident = $status:literal $code:literal,)+) => {
        /// What is wrong with a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemCode {
            $($(#[$doc])+ $name,)+
        }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code as it is written in a problem document.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The HTTP status of an answer with this code.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                }
            }
        }
    };
}

problem_codes! {
    /// The request breaks a rule of HTTP.
    InvalidRequest = 400 "invalid-request",
    /// A query parameter is unknown, repeated, or has a value that it does not take.
    InvalidQuery = 400 "invalid-query",
    /// A header has a value that it does not take.
    InvalidHeader = 400 "invalid-header",
    /// The topic's name cannot be one.
    InvalidTopic = 400 "invalid-topic",
    /// The body cannot be read, or broke off.
    InvalidBody = 400 "invalid-body",
    /// The body or frame can be read, and is no event that can be published.
    InvalidEvent = 400 "invalid-event",
    /// The event is private, and the server has no key by which any client could show that it may read it.
    PrivateWithoutKeys = 400 "private-without-keys",
    /// The request needs a token and has none.
    TokenRequired = 401 "token-required",
    /// The token does not hold.
    TokenInvalid = 401 "token-invalid",
    /// The token ended while the request was running.
    TokenExpired = 401 "token-expired",
    /// The client may not do this; no token is missing.
    Forbidden = 403 "forbidden",
    /// The token holds, and does not grant this.
    InsufficientScope = 403 "insufficient-scope",
    /// A page of another origin may not do this.
    OtherOrigin = 403 "other-origin",
    /// Only the server publishes to this topic.
    ReservedTopic = 403 "reserved-topic",
    /// There is nothing at this path.
    NotFound = 404 "not-found",
    /// The topic has neither events nor subscribers.
    UnknownTopic = 404 "unknown-topic",
    /// This server has no clock.
    NoClock = 404 "no-clock",
    /// The comparison has no connection.
    NoComparison = 404 "no-comparison",
    /// There is no such answer, or its history has expired.
    UnknownAnswer = 404 "unknown-answer",
    /// The scheduled publication has been published or cancelled, or never was.
    NotScheduled = 404 "not-scheduled",
    /// The resource does not have this method.
    MethodNotAllowed = 405 "method-not-allowed",
    /// The resource has none of the forms that `Accept` names.
    NotAcceptable = 406 "not-acceptable",
    /// The body took too long to arrive.
    BodyTimeout = 408 "body-timeout",
    /// The answer is under way, so there is nothing to continue.
    AnswerRunning = 409 "answer-running",
    /// The topic has ended.
    TopicEnded = 409 "topic-ended",
    /// The topic has an event with this id already.
    DuplicateId = 409 "duplicate-id",
    /// `If-Match` does not name the topic's newest event.
    PreconditionFailed = 412 "precondition-failed",
    /// The body, or one event of it, is larger than the server takes.
    TooLarge = 413 "too-large",
    /// The body's `Content-Type` is none that this method takes.
    UnsupportedType = 415 "unsupported-type",
    /// The body has a `Content-Encoding`.
    UnsupportedEncoding = 415 "unsupported-encoding",
    /// The idempotency key was used for another event.
    KeyReused = 422 "idempotency-key-reused",
    /// The client sends more often than it may.
    RateLimited = 429 "rate-limited",
    /// The client has used as many idempotency keys as are remembered.
    TooManyKeys = 429 "too-many-idempotency-keys",
    /// The request's head is larger than the server takes.
    HeadTooLarge = 431 "head-too-large",
    /// The server does not do this for any resource.
    NotImplemented = 501 "not-implemented",
    /// The server publishes nothing later, since its log is on nats-servers.
    NoSchedule = 501 "no-schedule",
    /// There are as many topics as there may be.
    TooManyTopics = 503 "too-many-topics",
    /// There are as many streams or subscriptions as there may be, or the client opens them too often.
    TooManyStreams = 503 "too-many-streams",
    /// There are as many comparisons as there may be, in all or of the client's address.
    TooManyComparisons = 503 "too-many-comparisons",
    /// There are as many answers under way, or kept, as there may be, in all or of the client's address.
    TooManyAnswers = 503 "too-many-answers",
    /// There are as many scheduled publications as there may be, in all, of the topic or of the client's address.
    TooManyScheduled = 503 "too-many-scheduled",
    /// The server would have to hold more memory than it may.
    MemoryLimit = 503 "memory-limit",
    /// The server is stopping.
    Stopping = 503 "stopping",
    /// The server cannot store events now.
    Unavailable = 503 "unavailable",
    /// The storage of the server's log has failed. Reading goes on.
    StorageFailed = 503 "storage-failed",
    /// There is no room for events on the server's disk.
    StorageFull = 507 "storage-full",
}
