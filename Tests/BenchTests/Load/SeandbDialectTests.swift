import Bytes
import Testing
import seandb_bench

@Suite("Answers of seandb")
struct SeandbDialectTests {
  private static let records = RecordSource(byteCount: 60, seed: 1)
  private static let dialect = SeandbDialect(
    shape: LoadShape(
      workload: .mixed, connections: 1, inFlight: 1, duration: 0, records: 100, batchRecords: 5,
      rangeRecords: 10, seed: 1, stream: 1), records: records, scheme: "http")

  /// A framed `Dogs` with these records.
  private func isRight(
    _ operation: Operation, of index: Int, holding indexes: [Int], deleted: DeletedRecords = .none,
    change: (inout [UInt8]) -> Void = { _ in }
  ) -> Bool {
    var slot = CallSlot()
    slot.operation = operation
    slot.index = index
    var answer = ByteWriter()
    GRPCFrame.write(&answer) { message in
      for index in indexes {
        message.appendMessage(1) { Self.records.appendRecord(index, to: &$0) }
      }
    }
    var bytes = answer.array()
    change(&bytes)
    slot.response.append(bytes)
    return Self.dialect.isRight(slot, deleted: deleted)
  }

  @Test func holdTheRecordThatWasAskedFor() {
    #expect(isRight(.get, of: 3, holding: [3]))
    #expect(!isRight(.get, of: 3, holding: [4]))
    #expect(!isRight(.get, of: 3, holding: []))
    #expect(!isRight(.get, of: 3, holding: [3, 3]))
    #expect(!isRight(.get, of: 3, holding: [], deleted: .lastOfEight))
    #expect(isRight(.get, of: 7, holding: [], deleted: .lastOfEight))
  }

  @Test func holdAWholeRangeInOrder() {
    #expect(isRight(.rangeGet, of: 20, holding: Array(20..<30)))
    #expect(!isRight(.rangeGet, of: 20, holding: Array(20..<29)))
    #expect(!isRight(.rangeGet, of: 20, holding: Array(20..<31)))
    #expect(!isRight(.rangeGet, of: 20, holding: Array((20..<30).reversed())))
  }

  /// Of 20 to 29 the one of 23 may be.
  @Test func mayLackRecordsThatAreDeleted() {
    let rest = [20, 21, 22, 24, 25, 26, 27, 28, 29]
    #expect(isRight(.rangeGet, of: 20, holding: rest, deleted: .lastOfEight))
    #expect(isRight(.rangeGet, of: 20, holding: Array(20..<30), deleted: .lastOfEight))
    #expect(!isRight(.rangeGet, of: 20, holding: rest))
    #expect(!isRight(.rangeGet, of: 20, holding: Array(rest.dropLast()), deleted: .lastOfEight))
    #expect(!isRight(.rangeGet, of: 20, holding: Array(rest.dropFirst()), deleted: .lastOfEight))
  }

  @Test func areEmptyForWrites() {
    #expect(isRight(.put, of: 3, holding: []))
    #expect(!isRight(.put, of: 3, holding: [3]))
    #expect(isRight(.batchPut, of: 3, holding: []))
    #expect(isRight(.delete, of: 3, holding: []))
  }

  @Test func areOneWholeMessage() {
    #expect(!isRight(.get, of: 3, holding: [3]) { $0.removeLast() })
    #expect(!isRight(.get, of: 3, holding: [3]) { $0.append(0) })
    #expect(!isRight(.get, of: 3, holding: [3]) { $0[0] = 1 })
    #expect(!isRight(.put, of: 3, holding: []) { $0.removeAll() })
  }
}
