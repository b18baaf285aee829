package import Engine

/// Names a call that waits for its commit. What its words mean is the observer's business, but for the first word and
/// the upper half of the second one: they name the ``Source``.
package struct CommitTicket: Equatable, Sendable {
  /// Whose calls are committed in their order: a connection.
  struct Source: Hashable {
    let first: UInt64
    let second: UInt32
  }

  var source: Source {
    Source(first: words.0, second: UInt32(truncatingIfNeeded: words.1 >> 32))
  }

  /// As they were given.
  package let words: (UInt64, UInt64, UInt32)

  package init(words: (UInt64, UInt64, UInt32)) { self.words = words }

  package static func == (first: CommitTicket, second: CommitTicket) -> Bool {
    first.words == second.words
  }
}

/// A call that has an answer.
package struct AnsweredCall: Sendable {
  /// Names the call.
  package let ticket: CommitTicket
  /// Where its message is in what comes with it.
  package let answer: Range<Int>
}

/// Is told what has become of queued calls.
///
/// Its calls come from the commit thread, one group at a time, in the order of the commits. While one runs nothing is
/// committed: it must not block.
package protocol CommitObserver: Sendable {
  /// Every change of the calls is stored, with the durability of the queue.
  mutating func didCommit(_ calls: [CommitTicket])

  /// The same of calls that have an answer.
  ///
  /// - Parameter answers: has all of them, until the return.
  mutating func didCommit(_ calls: [AnsweredCall], _ answers: UnsafeRawBufferPointer)

  /// No call of the group was stored, or nobody knows; the error says which.
  ///
  /// - Parameter since: when the engine stopped taking writes; nil while it takes them.
  mutating func didFail(_ calls: [CommitTicket], _ error: EngineError, since: String?)

  /// What is stored does not allow a call, of which nothing is stored.
  ///
  /// - Parameter write: of a transaction, the write because of which.
  mutating func didRefuse(_ call: CommitTicket, _ refusal: WriteRefusal, write: Int?)
}

extension CommitObserver {
  /// Without a look at the answers.
  package mutating func didCommit(_ calls: [AnsweredCall], _ answers: UnsafeRawBufferPointer) {
    didCommit(calls.map(\.ticket))
  }
}
