/// Checking a record's bytes.
///
/// Unsafe island: reads through the record's base address; ``WireScan`` says how every offset is
/// checked. Tables are read under the invariants of ``RecordPlan``.
extension RecordPlan {
  /// Checks that bytes are a record of a model and finds its key.
  ///
  /// Well-formed wire format to the last byte; no field of the schema with a wire type that it
  /// cannot have; UTF-8 in strings; at most ``maximumDepth`` levels; `pk` there, with 1 to
  /// ``maximumKeySize`` bytes. Unknown fields are fine when they are well formed.
  ///
  /// - Returns: where the key's bytes are: the last occurrence of the field, as for any decoder.
  /// - Complexity: O(n); allocates nothing.
  @safe
  package func checkRecord(
    _ bytes: UnsafeRawBufferPointer, model: borrowing Model
  ) throws(RecordError) -> Range<Int> {
    try checkRecord(
      bytes, messageIndex: model.messageIndex, keyFieldNumber: model.keyFieldNumber)
  }

  /// The same by numbers (``Model/messageIndex``, ``Model/keyFieldNumber``).
  /// - Precondition: `messageIndex` is an index into ``messageNames``.
  @safe
  package func checkRecord(
    _ bytes: UnsafeRawBufferPointer, messageIndex: Int, keyFieldNumber: Int
  ) throws(RecordError) -> Range<Int> {
    precondition(messageIndex >= 0 && messageIndex < messageNames.count)
    let keyNumber = UInt32(truncatingIfNeeded: keyFieldNumber)
    var key = KeyPlace()
    if let base = bytes.baseAddress {
      // SAFETY: raw bytes may be read as UInt8, and `bytes` outlives this call.
      let text = unsafe base.assumingMemoryBound(to: UInt8.self)
      _ = try unsafe check(
        text, from: 0, to: bytes.count, message: messageIndex, depth: 1, group: 0,
        keyNumber: keyNumber, key: &key)
    }
    guard key.start >= 0 else {
      throw RecordError(
        .keyMissing, offset: 0, messageIndex: messageIndex, fieldNumber: keyNumber)
    }
    let size = key.end &- key.start
    guard size >= 1 && size <= Self.maximumKeySize else {
      throw RecordError(
        size < 1 ? .keyEmpty : .keyTooLong, offset: key.start, messageIndex: messageIndex,
        fieldNumber: keyNumber)
    }
    return unsafe Range(uncheckedBounds: (key.start, key.end))
  }

  /// The same without a look at its key.
  @safe
  package func checkFields(
    _ bytes: UnsafeRawBufferPointer, messageIndex: Int
  ) throws(RecordError) {
    precondition(messageIndex >= 0 && messageIndex < messageNames.count)
    guard let base = bytes.baseAddress else { return }
    var key = KeyPlace()
    // SAFETY: as above.
    let text = unsafe base.assumingMemoryBound(to: UInt8.self)
    _ = try unsafe check(
      text, from: 0, to: bytes.count, message: messageIndex, depth: 1, group: 0, keyNumber: 0,
      key: &key)
  }

  private struct KeyPlace {
    var start = -1
    var end = -1
  }

  /// Checks the fields of one message or group.
  ///
  /// - Parameters:
  ///   - group: the field number of the group that the fields are in; 0 for a message, which `end`
  ///     ends.
  ///   - keyNumber: the field whose place to note; 0 in nested messages.
  /// - Returns: the offset after the last field, and after the group's end tag.
  private func check(
    _ base: UnsafePointer<UInt8>, from start: Int, to end: Int, message: Int, depth: Int,
    group: UInt32, keyNumber: UInt32, key: inout KeyPlace
  ) throws(RecordError) -> Int {
    // SAFETY: `message` is an index into `messages` (checked by the caller, then invariant 2).
    let table = unsafe messages[message]
    var offset = start
    while offset < end {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, end)
      if wireType == 4 {
        guard number == group else { throw RecordError(.unmatchedGroup, offset: fieldStart) }
        if table.requiredCount != 0 {
          try unsafe checkRequired(base, start, fieldStart, table, message)
        }
        return offset
      }
      guard wireType <= 5 else {
        throw RecordError(.invalidWireType, offset: fieldStart, wireType: wireType)
      }
      let field = field(number, of: table)
      guard field.wireTypes &>> wireType & 1 == 1 else {
        throw RecordError(
          .wrongWireType, offset: fieldStart, messageIndex: message, fieldNumber: number,
          wireType: wireType)
      }
      switch wireType {
      case 0: _ = try unsafe WireScan.varint(base, &offset, end)
      case 1: try WireScan.advance(&offset, by: 8, end)
      case 5: try WireScan.advance(&offset, by: 4, end)
      case 2:
        let length = try unsafe WireScan.length(base, &offset, end)
        let valueEnd = offset &+ length
        switch field.kind {
        case .string:
          let invalid = unsafe UTF8Validation.firstInvalid(
            UnsafeRawPointer(base), from: offset, to: valueEnd)
          guard invalid < 0 else {
            throw RecordError(
              .invalidUTF8, offset: invalid, messageIndex: message, fieldNumber: number)
          }
          if number == keyNumber {
            key.start = offset
            key.end = valueEnd
          }
        case .message:
          guard depth < Self.maximumDepth else {
            throw RecordError(
              .tooDeep, offset: fieldStart, messageIndex: message, fieldNumber: number)
          }
          _ = try unsafe check(
            base, from: offset, to: valueEnd, message: Int(field.message), depth: depth &+ 1,
            group: 0, keyNumber: 0, key: &key)
        case .repeatedVarint, .repeatedFixed64, .repeatedFixed32:
          try unsafe checkPacked(base, offset, valueEnd, field.kind, message, number)
        default: break
        }
        offset = valueEnd
      default:
        guard field.kind == .group else {
          try unsafe WireScan.skip(
            base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: depth)
          continue
        }
        guard depth < Self.maximumDepth else {
          throw RecordError(
            .tooDeep, offset: fieldStart, messageIndex: message, fieldNumber: number)
        }
        offset = try unsafe check(
          base, from: offset, to: end, message: Int(field.message), depth: depth &+ 1,
          group: number, keyNumber: 0, key: &key)
      }
    }
    guard group == 0 else { throw RecordError(.truncated, offset: offset) }
    if table.requiredCount != 0 { try unsafe checkRequired(base, start, offset, table, message) }
    return offset
  }

  /// Sees to it that a message, whose fields are well formed, has all that it must have: a client that
  /// knows `required` could otherwise read no answer that holds the record.
  @inline(never)
  private func checkRequired(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ table: MessageTable, _ message: Int
  ) throws(RecordError) {
    let first = Int(table.required)
    for required in requiredFields[first..<first + Int(table.requiredCount)] {
      var offset = start
      var isFound = false
      while !isFound, offset < end {
        let fieldStart = offset
        let (number, wireType) = try unsafe WireScan.tag(base, &offset, end)
        isFound = number == required
        try unsafe WireScan.skip(
          base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 1)
      }
      guard isFound else {
        throw RecordError(
          .requiredMissing, offset: start, messageIndex: message, fieldNumber: required)
      }
    }
  }

  private func checkPacked(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ kind: WireKind, _ message: Int,
    _ number: UInt32
  ) throws(RecordError) {
    if kind == .repeatedVarint {
      var offset = start
      do throws(RecordError) {
        while offset < end { _ = try unsafe WireScan.varint(base, &offset, end) }
      } catch {
        throw RecordError(
          .malformedPacked, offset: error.offset, messageIndex: message, fieldNumber: number)
      }
      return
    }
    let size = kind == .repeatedFixed64 ? 8 : 4
    guard (end &- start) & (size &- 1) == 0 else {
      throw RecordError(
        .malformedPacked, offset: start, messageIndex: message, fieldNumber: number)
    }
  }
}
