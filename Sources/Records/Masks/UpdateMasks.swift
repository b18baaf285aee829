import Schema
import Synchronization

// SAFETY: the parts of a mask are lent until the return; what is kept is a copy.

/// The masks of a model's updates that were compiled last: clients have a few, which come again and again.
///
/// Thread-safety: any thread.
final class UpdateMasks: Sendable {
  /// So many are kept, of so many bytes at most.
  private static let count = 8
  private static let maximumBytes = 512

  private struct Known {
    let bytes: [UInt8]
    let update: MaskTree.Update
  }

  private struct State {
    var known: [Known] = []
    /// The next one that another one takes the place of.
    var next = 0
  }

  private let state = Mutex(State())

  /// Compiles a mask, unless it is known.
  ///
  /// - Parameter parts: as in ``MaskTree/compileUpdate(_:keyFields:message:plan:)``.
  @safe
  func mask(
    _ parts: [UnsafeRawBufferPointer], _ store: ModelStore
  ) throws(QueryError) -> MaskTree.Update {
    guard unsafe parts.count == 1, let part = unsafe parts.first, part.count <= Self.maximumBytes
    else { return try unsafe compile(parts, store) }
    let known = state.withLock { state in
      state.known.first { unsafe $0.bytes.elementsEqual(part) }?.update
    }
    if let known { return known }
    let update = try unsafe compile(parts, store)
    state.withLock { state in
      let new = unsafe Known(bytes: Array(part), update: update)
      if state.known.count < Self.count {
        state.known.append(new)
      } else {
        state.known[state.next] = new
        state.next = (state.next + 1) % Self.count
      }
    }
    return update
  }

  private func compile(
    _ parts: [UnsafeRawBufferPointer], _ store: ModelStore
  ) throws(QueryError) -> MaskTree.Update {
    try MaskTree.compileUpdate(
      parts, keyFields: store.keyFieldNumbers, message: store.model.messageIndex, plan: store.plan)
  }
}
