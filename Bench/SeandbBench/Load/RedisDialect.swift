import Bytes

// SAFETY: an answer is read while its slot does not change, below its count. The digits of a number of 64 bits are at
// most 20, which is the room they have.

/// Redis: SET, GET, MSET and DEL. It has no order of keys, so no range of them.
package struct RedisDialect: Dialect {
  package static let operations: Set<Operation> = [.get, .put, .batchPut, .delete]

  private let shape: LoadShape
  private let records: RecordSource

  package init(shape: LoadShape, records: RecordSource) {
    self.shape = shape
    self.records = records
  }

  package func makeSession(slots: SlotTable) -> RedisSession { RedisSession(slots: slots) }

  package func writeRequest(_ slot: inout CallSlot) {
    let index = slot.index
    slot.request.removeAll()
    switch slot.operation {
    case .get: begin("GET", argumentCount: 1, &slot.request)
    case .delete: begin("DEL", argumentCount: 1, &slot.request)
    case .put: begin("SET", argumentCount: 2, &slot.request)
    case .batchPut: begin("MSET", argumentCount: shape.sizes.batchPut * 2, &slot.request)
    case .rangeGet, .page, .in, .count, .stream, .uniqueGet, .indexGet, .write, .update,
      .transact:
      preconditionFailure("a call that `operations` does not have")
    }
    switch slot.operation {
    case .put: appendPair(index, &slot.request)
    case .batchPut:
      for record in index..<index + shape.sizes.batchPut { appendPair(record, &slot.request) }
    default: appendKey(index, &slot.request)
    }
  }

  package func isRight(_ slot: borrowing CallSlot, deleted: DeletedRecords) -> Bool {
    let bytes = unsafe slot.response.bytes
    switch slot.operation {
    case .get:
      return unsafe records.isRecord(bytes, of: slot.index)
        || (deleted.contains(slot.index) && bytes.isEmpty)
    case .put, .batchPut: return unsafe bytes.elementsEqual(Self.ok)
    // How many there were.
    case .delete: return unsafe bytes.count == 1 && (bytes[0] == 48 || bytes[0] == 49)
    case .rangeGet, .page, .in, .count, .stream, .uniqueGet, .indexGet, .write, .update, .transact:
      return false
    }
  }

  private static let ok = Array("OK".utf8)

  private func begin(
    _ command: StaticString, argumentCount: Int, _ request: inout ByteWriter
  ) {
    append("*", argumentCount + 1, &request)
    append("$", command.utf8CodeUnitCount, &request)
    command.withUTF8Buffer { request.append(UnsafeRawBufferPointer($0)) }
    request.append(13)
    request.append(10)
  }

  private func appendKey(_ index: Int, _ request: inout ByteWriter) {
    append("$", RecordSource.keyByteCount, &request)
    RecordSource.appendKey(index, to: &request)
    request.append(13)
    request.append(10)
  }

  private func appendPair(_ index: Int, _ request: inout ByteWriter) {
    appendKey(index, &request)
    append("$", records.byteCount, &request)
    records.appendRecord(index, to: &request)
    request.append(13)
    request.append(10)
  }

  /// A sign, a decimal number and the line's end.
  private func append(_ sign: Unicode.Scalar, _ number: Int, _ request: inout ByteWriter) {
    request.append(UInt8(ascii: sign))
    unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var rest = UInt(bitPattern: number)
      var start = digits.count
      repeat {
        start -= 1
        unsafe digits[start] = UInt8(truncatingIfNeeded: 48 + rest % 10)
        rest /= 10
      } while rest > 0
      unsafe request.append(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: digits[start...])))
    }
    request.append(13)
    request.append(10)
  }
}
