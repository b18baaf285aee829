package import Bytes

/// A message on its way from one thread to another; taken once.
// SAFETY of `@unchecked Sendable`: the writer is moved in by the thread that made it and out by the one
// that sends it, with the mailbox's mutex between.
package final class OwnedMessage: @unchecked Sendable {
  private var writer: ByteWriter
  private let budget: MemoryBudget?
  /// Bytes that the budget counts for it.
  private var countedBytes: Int

  /// Takes a message over.
  ///
  /// - Parameter budget: counts its bytes until it is given away, or gone: an event loop counts an answer once it
  ///   has it, and threads may make many until then.
  package init(_ writer: consuming ByteWriter, countedBy budget: MemoryBudget? = nil) {
    self.budget = budget
    countedBytes = budget == nil ? 0 : writer.count
    self.writer = writer
    if countedBytes > 0 { budget?.add(countedBytes) }
  }

  deinit { stopCounting() }

  private func stopCounting() {
    guard countedBytes > 0 else { return }
    budget?.add(-countedBytes)
    countedBytes = 0
  }

  /// Gives the message away, once.
  package func take() -> ByteWriter {
    stopCounting()
    var taken = ByteWriter()
    swap(&taken, &writer)
    return taken
  }
}

/// Collects the outcomes of pending calls and hands them to their event loops, one hop a loop.
///
/// Thread-safety: a value for one thread; calls of any loop can be mixed.
package struct Completions {
  /// How a call goes on or ends.
  package enum Outcome: Sendable {
    /// OK with an empty message.
    case empty
    /// OK with a message. Its first bytes are kept free for gRPC's prefix: make it with
    /// ``Completions/messageWriter()``.
    case message(OwnedMessage)
    /// Not OK.
    case failed(RPCStatus)
    /// One more message of a streaming call, without gRPC's prefix. The ``ServerStream`` must have been asked for it.
    case streamMessage(OwnedMessage)
    /// No message was made, as there is none yet, or the memory for answers is spent: the ``ServerStream`` is asked
    /// again, once some memory is free.
    case streamRetry
    /// The end of a streaming call; nil is OK.
    case streamFinish(RPCStatus?)
    /// Fields for the answer of a call, before what ends it; those for its header also before its first message.
    case metadata(ResponseMetadata)
  }

  struct Completion: Sendable {
    let token: CallToken
    /// Nil is a turn of a stream, see ``Connection/takeTurn(_:)``.
    let outcome: Outcome?
  }

  /// What one loop is told of. Those that are empty, which end a call, come after the others.
  struct Bundle: Sendable {
    /// Calls whose outcome is ``Outcome/empty``: most writes, whose tokens are copied as they are.
    var empty: [CallToken] = []
    var others: [Completion] = []

    var isEmpty: Bool { empty.isEmpty && others.isEmpty }

    mutating func append(_ other: Bundle) {
      if !other.empty.isEmpty { empty.append(contentsOf: other.empty) }
      if !other.others.isEmpty { others.append(contentsOf: other.others) }
    }

    /// Forgets all; gives memory for more than `limit` of each kind back.
    mutating func removeAll(keepingAtMost limit: Int = .max) {
      if !empty.isEmpty { empty.removeAll(keepingCapacity: empty.count <= limit) }
      if !others.isEmpty { others.removeAll(keepingCapacity: others.count <= limit) }
    }
  }

  private let loops: [LoopContext]
  private var byLoop: [Bundle]

  init(loops: [LoopContext]) {
    self.loops = loops
    byLoop = Array(repeating: Bundle(), count: loops.count)
  }

  /// Bytes of gRPC's length prefix, which comes before every message.
  package static let prefixBytes = MessagePrefix.byteCount

  /// A writer for a `message` outcome: ``prefixBytes`` are kept free in front.
  package static func messageWriter() -> ByteWriter {
    var writer = ByteWriter(capacity: 256)
    writer.append(MessagePrefix.empty)
    return writer
  }

  /// Notes an outcome, which goes out with ``post()``. O(1).
  package mutating func complete(_ token: CallToken, _ outcome: Outcome) {
    if case .empty = outcome {
      byLoop[Int(token.loop)].empty.append(token)
    } else {
      byLoop[Int(token.loop)].others.append(Completion(token: token, outcome: outcome))
    }
  }

  /// Hands everything over. O(completions); wakes each loop at most once.
  package mutating func post() {
    for index in byLoop.indices where !byLoop[index].isEmpty {
      loops[index].post(byLoop[index])
      byLoop[index].removeAll()
    }
  }
}

/// Answers the pulls of a streaming call, from any thread. What nobody asked for, or comes after the end, is dropped.
package struct ResponseStream: Sendable {
  let token: CallToken
  let loop: LoopContext

  /// See ``CallContext/isMessageCompressed``; to be asked on the event loop.
  package var isMessageCompressed: Bool {
    loop.onLoop { loop.find(token)?.slot.pointee.isCompressed ?? false }
  }

  /// See ``CallContext/compressAnswers(_:)``; to be called on the event loop.
  package func compressMessages(_ isOn: Bool) {
    loop.onLoop { loop.find(token)?.slot.pointee.isCompressionAsked = isOn }
  }

  /// Answers a pull with a message. Order is kept for calls made by one thread.
  package func send(_ message: consuming ByteWriter) {
    loop.post(.init(token: token, outcome: .streamMessage(OwnedMessage(message))))
  }

  /// Answers a pull with nothing: there is another one, once memory for answers is free.
  package func retry() { loop.post(.init(token: token, outcome: .streamRetry)) }

  /// Adds fields to the call's answer, see `Completions.Outcome.metadata`.
  package func add(_ metadata: ResponseMetadata) {
    loop.post(.init(token: token, outcome: .metadata(metadata)))
  }

  /// Ends the call; nil is OK.
  package func finish(_ status: RPCStatus?) {
    loop.post(.init(token: token, outcome: .streamFinish(status)))
  }
}
