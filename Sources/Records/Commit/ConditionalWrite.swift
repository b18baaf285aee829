import Bytes

// SAFETY: key and record are views of a command list, which is not changed while there is a write of it.

/// A write with a condition, or an answer, as it waits in a ``CommandList`` and is executed.
@safe
struct ConditionalWrite {
  let action: WriteRequest.Action
  let returning: WriteRequest.Returning
  var condition = WriteRequest.Condition.none
  /// Of the record, without its prefix.
  @safe let key: UnsafeRawBufferPointer
  /// Of a put and an update.
  @safe var record = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  /// Of the record of a put.
  var newEtag = Etag(0)
  /// The place of its store among those of its call.
  var store = 0
  /// Of an update: its place among the masks of its call.
  var mask = 0
  /// Where ``LookAhead`` has what is stored of it.
  var ahead = Int.max
  /// The entries of the record as it was, and as it will be.
  var oldEntries = 0..<0
  var newEntries = 0..<0

  @safe
  init(
    action: WriteRequest.Action, returning: WriteRequest.Returning, key: UnsafeRawBufferPointer
  ) {
    self.action = action
    self.returning = returning
    self.key = unsafe key
  }

  /// Whether it is a put, whatever is there, and nobody asks for that.
  var isPutOfAnything: Bool { action == .put && condition == .none && returning != .old }

  /// - Parameter etag: reads one.
  static func condition(_ code: UInt8, _ etag: () -> Etag) -> WriteRequest.Condition {
    switch code {
    case 1: .exists(true)
    case 2: .exists(false)
    case 3: .etag(etag())
    case 4: .etag(nil)
    default: .none
    }
  }
}

extension WriteRequest.Condition {
  /// In a ``CommandList``.
  var code: UInt8 {
    switch self {
    case .none: 0
    case .exists(true): 1
    case .exists(false): 2
    case .etag(.some): 3
    case .etag(nil): 4
    }
  }
}
