import Bytes

// SAFETY: `borrowed` is the one pointer here: invariant 3 of `Connection`.

/// The state of one stream of a connection, kept in memory that the next stream uses again.
///
/// Its buffers keep up to `retainedBytes`, so that a connection in its stride allocates nothing per call.
/// `generation` grows each time the slot is given to another stream: a ``CallToken`` with an old one is
/// stale.
@safe
struct CallSlot: ~Copyable {
  /// Legal next states in brackets.
  enum State {
    /// No stream. [headers]
    case free
    /// Header block under way. [receiving, refused, held]
    case headers
    /// Collecting request messages. [queued, running, responding, refused]
    case receiving
    /// A whole unary request waits for the end of the read batch. [running, responding]
    case queued
    /// The handler has it, or its server stream goes on. [responding]
    case running
    /// `failure` is decided but not yet submitted: it is when the read batch ends. [responding]
    case refused
    /// The same, and it is not submitted before the request has ended, or has had its time. [refused]
    case held
    /// The answer is with nghttp2; more input is ignored. [free]
    case responding
  }

  /// A header field of gRPC's that its client has written wrong.
  enum MalformedHeader {
    case none
    case timeout
    /// A field that was asked for, with a name that ends with `-bin`, has other bytes than base64.
    case binary
  }

  static let retainedBytes = 16 << 10

  let index: UInt32
  var generation: UInt32
  var state = State.free
  var streamID: Int32 = 0
  /// Index into the method table; -1 until `:path` was seen and when it is unknown.
  var method: Int32 = -1
  var deadline = UInt64.max
  /// When its headers began, in a server that looks at each call.
  var began: UInt64 = 0
  /// Sum of name + value + 32 of the request's headers (RFC 9113 §6.5.2).
  var headerBytes = 0

  // Header findings.
  var fields = RequestFields()
  /// It breaks the rules of HTTP/2: its stream is reset, and what still comes of it is ignored.
  var isMalformed = false
  var isPost = false
  var isStreaming = false
  var isGRPC = false
  var encoding = MessageEncoding.identity
  var malformedHeader = MalformedHeader.none
  var answerEncoding = AnswerEncoding.identity
  /// Its handler wants the messages compressed that follow, see ``WireConfiguration/letsHandlersCompress``.
  var isCompressionAsked = false
  var remoteClosed = false

  /// Who calls, see ``ConnectionGate``.
  var caller: UInt32 = 0
  /// Headers that the server's hooks or the method's handler want.
  var metadata = KeptMetadata()

  // The message being received: its ``MessagePrefix``, then `messageLength` bytes.
  var prefixCount = 0
  var prefixFlag: UInt8 = 0
  var messageLength = 0
  var messageCount = 0
  /// Messages that were given to a bidirectional call.
  var givenBytes = 0
  /// A whole message that lay inside one input chunk: valid until the end of the read batch. Of a compressed message,
  /// while its handler runs, what it was inflated to.
  var borrowed: UnsafeRawBufferPointer?
  var request = ByteWriter()
  /// Taken from the client's window and not given back yet.
  var uncreditedBytes = 0
  /// What the client may still send of a long message, see ``Connection/giveCredit(_:_:)``.
  var reservedBytes = 0
  var waitsForCredit = false

  /// Whether the message is compressed, once its prefix is there.
  var isCompressed: Bool { prefixFlag != 0 }

  // The answer: length-prefixed messages not yet sent start at `sent`.
  var response = ByteWriter()
  var sent = 0
  /// Messages that a streaming call has answered, and their bytes.
  var streamedMessages = 0
  var streamedBytes = 0
  /// Of a unary answer that is compressed: what its message had before, without its prefix.
  var uncompressedBytes = 0
  /// Nothing is appended to `response` any more; the trailers follow its last byte.
  var finished = false
  var submitted = false
  /// nghttp2 waits for `resume_data`.
  var deferred = false
  /// A plain HTTP answer (no trailers) to a request that was not gRPC.
  var plainHTTPStatus: UInt16 = 0
  /// It was held when the connection was last looked after.
  var isHeldLong = false
  var failure: RPCStatus?
  /// Fields that its handler has added to the answer.
  var responseMetadata: ResponseMetadata?
  /// Of a streaming call that has neither ended nor failed.
  var stream: CallStream?
  var cancellation: CallCancellation?
  /// What the answer counts for in the budget of answers.
  var answerBytes = 0
  /// The path of an unknown method, for its error sentence.
  var unknownPath: [UInt8] = []

  /// Whether bytes of it moved between the last two looks, and how far it was at the last one.
  private(set) var hasMoved = false
  private var lookedPlace = 0

  /// How fast its request comes, or its answer goes; it knows calls by `generation`.
  var rate = RateLimit()

  /// Whether it is one whose answers are made one by one.
  var isStream: Bool { isStreaming || streamedMessages > 0 || stream != nil }

  /// Whether the client owes more of the message that it is sending. A bidirectional call may be silent between two.
  var isBodyDue: Bool {
    guard isStreaming else { return !remoteClosed }
    return !remoteClosed && prefixCount > 0 && stream?.waitingCount == 0
  }

  /// What came of request messages.
  var receivedBytes: Int {
    let isWhole = messageCount > 0 && !isStreaming
    return givenBytes + request.count + prefixCount + (isWhole ? messageLength : 0)
  }

  /// What nghttp2 has taken of the answer since its beginning.
  var sentBytes: Int {
    guard isStream else { return sent }
    return streamedBytes + MessagePrefix.byteCount * streamedMessages - unsentBytes
  }

  /// What nghttp2 has not yet taken of the answer.
  var unsentBytes: Int { response.count - sent }

  init(index: UInt32, generation: UInt32) {
    self.index = index
    self.generation = generation
  }

  /// Makes the slot ready for stream `streamID`.
  mutating func begin(streamID: Int32) {
    generation &+= 1
    state = .headers
    self.streamID = streamID
    method = -1
    caller = 0
    deadline = .max
    headerBytes = 0
    fields = RequestFields()
    isMalformed = false
    isPost = false
    isStreaming = false
    isGRPC = false
    encoding = .identity
    malformedHeader = .none
    answerEncoding = .identity
    isCompressionAsked = false
    remoteClosed = false
    prefixCount = 0
    messageLength = 0
    messageCount = 0
    uncreditedBytes = 0
    waitsForCredit = false
    givenBytes = 0
    streamedMessages = 0
    streamedBytes = 0
    uncompressedBytes = 0
    unsafe borrowed = nil
    sent = 0
    finished = false
    submitted = false
    deferred = false
    plainHTTPStatus = 0
    isHeldLong = false
  }

  /// Notes how far the call is, twice a second.
  mutating func look() {
    let place = (receivedBytes &+ sentBytes) ^ Int(generation) << 32
    hasMoved = place != lookedPlace
    lookedPlace = place
  }

  /// Gives up what the stream held.
  mutating func end() {
    state = .free
    generation &+= 1
    unsafe borrowed = nil
    request.removeAll(keepingAtMost: Self.retainedBytes)
    response.removeAll(keepingAtMost: Self.retainedBytes)
    if failure != nil { failure = nil }
    if responseMetadata != nil { responseMetadata = nil }
    if stream != nil { stream = nil }
    if let cancellation {
      cancellation.cancel()
      self.cancellation = nil
    }
    if !unknownPath.isEmpty { unknownPath = [] }
    if !metadata.isEmpty { metadata.removeAll() }
  }

  /// Gives up the memory that a free slot keeps for the next stream.
  mutating func giveUpBuffers() {
    request.removeAll(keepingAtMost: 0)
    response.removeAll(keepingAtMost: 0)
    metadata = KeptMetadata()
  }
}
