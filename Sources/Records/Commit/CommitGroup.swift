import Bytes
package import Engine

/// Changes of several calls, to be committed together.
// SAFETY of `@unchecked Sendable`: a group is in the queue, behind its mutex, with the thread that checks a long write,
// or with the commit thread alone.
package final class CommitGroup: @unchecked Sendable {
  /// Changes as they are.
  package let batch = WriteBatch()
  /// Whose they are.
  var calls: [CommitTicket] = []
  /// Writes that the commit thread executes; made with the first of them.
  private(set) var commands: CommandList?
  /// Its share of what the queue counts.
  var queuedBytes = 0

  /// The list of commands, to append to.
  func listOfCommands() -> CommandList {
    if let commands { return commands }
    let made = CommandList()
    commands = made
    return made
  }

  /// Begins the commands of a call of which the group has nothing else.
  func beginCommands(_ ticket: CommitTicket, of store: ModelStore) -> CommandList {
    calls.removeAll { $0 == ticket }
    let list = listOfCommands()
    list.begin(ticket, of: store)
    return list
  }

  private var hasCommands: Bool { commands.map { !$0.isEmpty } ?? false }

  /// Bytes of all that is in it.
  var byteCount: Int { batch.byteCount + (commands?.bytes.count ?? 0) }

  /// Calls of all that is in it.
  var callCount: Int { calls.count + (commands?.calls.count ?? 0) }

  /// The tickets of all of them.
  var allCalls: [CommitTicket] {
    hasCommands ? calls + (commands?.calls.map(\.ticket) ?? []) : calls
  }

  /// Whether a call with so many bytes may be committed with those that are here.
  func takes(_ byteCount: Int) -> Bool {
    // A large call is alone: should it be too large for the engine, no other one fails with it.
    self.byteCount < CommitQueue.groupBytes && byteCount < CommitQueue.groupBytes
      && callCount < CommitQueue.groupCalls
  }

  func removeAll() {
    queuedBytes = 0
    batch.clear(keepingAtMost: CommitQueue.groupBytes)
    calls.removeAll(keepingCapacity: true)
    commands?.removeAll()
  }

  /// Takes over what another group has, after its own.
  func append(_ other: CommitGroup) {
    batch.append(other.batch)
    calls += other.calls
    if let commands = other.commands, !commands.isEmpty { listOfCommands().append(commands) }
    queuedBytes += other.queuedBytes
  }
}
