import Bytes
package import Engine
package import Records
package import Wire

// SAFETY: answers are lent until the return, and copied.

/// Answers the calls of a commit, with one hop to each event loop.
package struct CallCompletions: CommitObserver {
  private var completions: Completions

  /// - Parameter completions: those of the server that gives out the tickets.
  package init(_ completions: Completions) { self.completions = completions }

  package mutating func didCommit(_ calls: [CommitTicket]) {
    for call in calls { completions.complete(CallToken(words: call.words), .empty) }
    completions.post()
  }

  package mutating func didCommit(_ calls: [AnsweredCall], _ answers: UnsafeRawBufferPointer) {
    for call in calls {
      var message = Completions.messageWriter()
      unsafe message.append(UnsafeRawBufferPointer(rebasing: answers[call.answer]))
      completions.complete(
        CallToken(words: call.ticket.words), .message(OwnedMessage(message)))
    }
    completions.post()
  }

  package mutating func didFail(_ calls: [CommitTicket], _ error: EngineError, since: String?) {
    let status = StatusMapping.status(ofWrite: error, since: since)
    for call in calls { completions.complete(CallToken(words: call.words), .failed(status)) }
    completions.post()
  }

  package mutating func didRefuse(_ call: CommitTicket, _ refusal: WriteRefusal, write: Int?) {
    let status = StatusMapping.status(of: refusal)
    completions.complete(
      CallToken(words: call.words), .failed(write.map { status.ofWrite($0) } ?? status))
    completions.post()
  }
}

extension CommitTicket {
  /// The ticket by which ``CallCompletions`` finds the call.
  package init(_ call: CallToken) { self.init(words: call.words) }
}
