import Bytes
import Schema

// SAFETY: all parts are views of the request, which outlives them. ``WireScan`` checks every offset before it reads
// there, and a length against what is left before a view is made of it.

/// A `Write` message: one action on one record, and when it may be done.
///
/// Thread-safety: a value for as long as its request lives.
@safe
package struct WriteRequest {
  /// What is done.
  package enum Action: UInt8, Sendable {
    case put = 1
    case update = 2
    case delete = 3
    case check = 4

    /// As a field of the message.
    package var name: String { "\(self)" }
  }

  /// What the answer has beside the etag.
  package enum Returning: UInt8, Sendable {
    case nothing = 0
    case new = 1
    case old = 2
  }

  /// What has to be so before the write, for it to be done.
  enum Condition: Equatable {
    case none
    case exists(Bool)
    /// nil: the text is no etag, and so no record's.
    case etag(Etag?)
  }

  /// What is done to the record.
  package let action: Action
  /// Of the action: a record, or a `Key`.
  let body: UnsafeRawBufferPointer
  let condition: Condition
  /// What the answer has beside the etag.
  package let returning: Returning
  /// By which the answer is kept.
  package let requestID: RequestID?
  /// The parts of `update_mask`; a decoder takes them as one.
  let maskParts: [UnsafeRawBufferPointer]

  /// Numbers of the message's fields.
  private enum Field {
    static let actions: ClosedRange<UInt32> = 1...4
    static let mask: UInt32 = 5
    static let exists: UInt32 = 6
    static let etag: UInt32 = 7
    static let requestID: UInt32 = 8
    static let returning: UInt32 = 9
    /// Kept for what a write may depend on in a later version, which must not be stepped over.
    static let kept: ClosedRange<UInt32> = 1...31
  }

  /// What was read so far.
  @safe
  private struct Parts {
    var action: UInt32 = 0
    @safe var body = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    var secondAction: UInt32 = 0
    var condition = Condition.none
    var conditionField: UInt32 = 0
    var hasTwoConditions = false
    var hasEmptyEtag = false
    var returning: UInt64 = 0
    @safe var requestID = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    @safe var maskParts: [UnsafeRawBufferPointer] = unsafe []
    var unsupported: UInt32 = 0

    mutating func take(_ condition: Condition, _ field: UInt32) {
      hasTwoConditions = hasTwoConditions || conditionField != 0
      self.condition = condition
      conditionField = field
    }
  }

  /// Reads a serialized `Write`.
  ///
  /// A second action is refused, and a second condition, where a decoder would take the last one: no client library
  /// writes two, and whoever joined two messages meant both.
  ///
  /// - Complexity: O(fields).
  @safe
  package init(_ bytes: UnsafeRawBufferPointer) throws(WriteRequestError) {
    var parts = Parts()
    do throws(RecordError) {
      try unsafe Self.read(bytes, &parts)
    } catch {
      throw .malformed(error)
    }
    guard parts.unsupported == 0 else { throw .unsupported(Int(parts.unsupported)) }
    guard parts.secondAction == 0 else {
      throw .severalActions(Int(parts.action), Int(parts.secondAction))
    }
    guard let action = Action(rawValue: UInt8(truncatingIfNeeded: parts.action)) else {
      throw .noAction
    }
    guard !parts.hasTwoConditions else { throw .severalConditions }
    guard !parts.hasEmptyEtag else { throw .emptyEtag }
    guard parts.returning <= 2, let returning = Returning(rawValue: UInt8(parts.returning)) else {
      throw .unknownReturning(parts.returning)
    }
    requestID = try Self.requestID(parts.requestID)
    if unsafe !parts.maskParts.isEmpty && action != .update { throw .maskWithout(action) }
    switch (action, parts.condition) {
    case (.check, .none): throw .checkWithoutCondition
    case (.update, .exists(false)): throw .updateOfNothing
    default: break
    }
    self.action = action
    unsafe body = parts.body
    condition = parts.condition
    self.returning = returning
    unsafe maskParts = parts.maskParts
  }

  /// - Returns: nil for an empty text, which is none.
  @safe
  static func requestID(
    _ text: UnsafeRawBufferPointer
  ) throws(WriteRequestError) -> RequestID? {
    guard text.count > 0 else { return nil }
    guard let id = RequestID(text) else { throw .badRequestID(byteCount: text.count) }
    return id
  }

  private static func read(
    _ bytes: UnsafeRawBufferPointer, _ parts: inout Parts
  ) throws(RecordError) {
    guard let start = bytes.baseAddress else { return }
    // SAFETY: raw bytes may be read as UInt8.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    var offset = 0
    while offset < bytes.count {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, bytes.count)
      switch number {
      case Field.actions, Field.mask, Field.etag, Field.requestID:
        guard wireType == 2 else { throw wrongType(number, wireType, fieldStart) }
        let length = try unsafe WireScan.length(base, &offset, bytes.count)
        let value = unsafe UnsafeRawBufferPointer(start: start + offset, count: length)
        offset &+= length
        if number == Field.mask {
          unsafe parts.maskParts.append(value)
        } else if number == Field.etag {
          parts.hasEmptyEtag = length == 0
          parts.take(.etag(Etag(text: value)), number)
        } else if number == Field.requestID {
          unsafe parts.requestID = value
        } else {
          if parts.action != 0 { parts.secondAction = number } else { parts.action = number }
          unsafe parts.body = value
        }
      case Field.exists, Field.returning:
        guard wireType == 0 else { throw wrongType(number, wireType, fieldStart) }
        let value = try unsafe WireScan.varint(base, &offset, bytes.count)
        if number == Field.exists {
          parts.take(.exists(value != 0), number)
        } else {
          parts.returning = value
        }
      default:
        if Field.kept.contains(number) { parts.unsupported = number }
        try unsafe WireScan.skip(
          base, &offset, bytes.count, number: number, wireType: wireType, start: fieldStart,
          depth: 1)
      }
    }
  }

  private static func wrongType(_ number: UInt32, _ wireType: UInt8, _ offset: Int) -> RecordError {
    RecordError(.wrongWireType, offset: offset, fieldNumber: number, wireType: wireType)
  }
}
