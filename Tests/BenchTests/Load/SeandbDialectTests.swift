import Bytes
import Testing
import seandb_bench

@Suite("Answers of seandb")
struct SeandbDialectTests {
  private static let records = RecordSource(byteCount: 60, seed: 1)
  private static let sizes = CallSizes(batchPut: 5, page: 3, in: 4, count: 7, stream: 6)
  private static let dialect = SeandbDialect(
    shape: LoadShape(
      workload: .mixed, connections: 1, inFlight: 1, duration: 0, records: 100, sizes: sizes,
      seed: 1,
      stream: 1), records: records, scheme: "http")

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

  /// Framed `Dogs` with these records, and where the next ones begin.
  private func isRight(
    _ operation: Operation, of index: Int, asked: [Int] = [],
    messages: [(indexes: [Int], token: String?)], rest: (inout ByteWriter) -> Void = { _ in }
  ) -> Bool {
    var slot = CallSlot()
    slot.operation = operation
    slot.index = index
    slot.indexes = asked
    for (indexes, token) in messages {
      var answer = ByteWriter()
      GRPCFrame.write(&answer) { message in
        for index in indexes {
          message.appendMessage(1) { Self.records.appendRecord(index, to: &$0) }
        }
        if let token { message.appendField(2, token) }
        rest(&message)
      }
      slot.response.append(answer.bytes)
    }
    return Self.dialect.isRight(slot, deleted: .none)
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

  @Test func holdAPageBackwardsAndWhereTheNextOneBegins() {
    func isPage(_ index: Int, _ indexes: [Int], token: String?) -> Bool {
      isRight(.page, of: index, messages: [(indexes, token)])
    }
    #expect(isPage(50, [50, 49, 48], token: "x"))
    #expect(!isPage(50, [50, 49, 48], token: nil))
    #expect(!isPage(50, [50, 49, 48], token: ""))
    #expect(!isPage(50, [48, 49, 50], token: "x"))
    #expect(!isPage(50, [50, 49], token: "x"))
    #expect(isPage(2, [2, 1, 0], token: nil))
    #expect(!isPage(2, [2, 1, 0], token: "x"))
  }

  @Test func holdTheRecordsOfAListInOrderAndEachOnce() {
    func isList(_ indexes: [Int]) -> Bool {
      isRight(.in, of: 0, asked: [9, 3, 9, 70], messages: [(indexes, nil)])
    }
    #expect(isList([3, 9, 70]))
    #expect(!isList([3, 9, 9, 70]))
    #expect(!isList([9, 3, 70]))
    #expect(!isList([3, 9]))
    #expect(!isList([3, 9, 70, 71]))
  }

  @Test func areACountAlone() {
    func isCount(_ count: UInt64, of records: [Int] = []) -> Bool {
      isRight(.count, of: 5, messages: [(records, nil)]) { $0.appendField(3, varint: count) }
    }
    #expect(isCount(7))
    #expect(!isCount(6))
    #expect(!isCount(7, of: [5]))
    #expect(!isRight(.count, of: 5, messages: [([], nil)]))
  }

  @Test func areAStreamOfMessagesThatSayWhereToGoOn() {
    func isStream(_ messages: [(indexes: [Int], token: String?)]) -> Bool {
      isRight(.stream, of: 10, messages: messages)
    }
    #expect(isStream([([10, 11, 12, 13, 14, 15], nil)]))
    #expect(isStream([([10, 11], "x"), ([12], "y"), ([13, 14, 15], nil)]))
    #expect(!isStream([([10, 11], nil), ([12, 13, 14, 15], nil)]))
    #expect(!isStream([([10, 11], "x"), ([12, 13, 14, 15], "y")]))
    #expect(!isStream([([10, 11], "x"), ([13, 14, 15], nil)]))
    #expect(!isStream([([10, 11, 12, 13, 14, 15], "x"), ([], nil)]))
    #expect(!isStream([]))
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

  @Test func holdTheRecordOfAChip() {
    #expect(isRight(.uniqueGet, of: 3, holding: [3]))
    #expect(!isRight(.uniqueGet, of: 3, holding: [4]))
    #expect(!isRight(.uniqueGet, of: 3, holding: []))
  }

  /// Ten groups of ten, whose records are ten apart.
  @Test func holdTheRecordsOfABreedInTheOrderOfTheirKeys() {
    let group = stride(from: 3, to: 100, by: 10)
    #expect(isRight(.indexGet, of: 3, holding: Array(group)))
    #expect(!isRight(.indexGet, of: 3, holding: group.reversed()))
    #expect(!isRight(.indexGet, of: 3, holding: group.dropLast()))
    #expect(!isRight(.indexGet, of: 3, holding: group + [103]))
    #expect(!isRight(.indexGet, of: 3, holding: Array(3..<13)))
  }
}

@Suite("Requests by an index of seandb")
struct SeandbIndexRequestTests {
  private static let records = RecordSource(
    byteCount: 100, seed: 1, groups: RecordGroups(records: 100, size: 10))
  private static let dialect = SeandbDialect(
    shape: LoadShape(
      workload: .indexGet, connections: 1, inFlight: 1, duration: 0, records: 100,
      sizes: CallSizes(), seed: 1, stream: 1), records: records, scheme: "http")

  /// The fields of a message by their numbers, each of which is text.
  private func fields(_ bytes: [UInt8]) throws -> [Int: [UInt8]] {
    try bytes.withUnsafeBytes { bytes in
      var reader = ProtobufReader(bytes)
      var fields: [Int: [UInt8]] = [:]
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        if tag.number == 3, tag.wireType == 0 {
          _ = try reader.nextVarint()
        } else {
          fields[tag.number] = try Array(reader.nextLengthDelimited())
        }
      }
      return fields
    }
  }

  private func request(
    _ operation: Operation, of index: Int, generation: UInt8 = 1
  ) -> [UInt8] {
    var slot = CallSlot()
    slot.operation = operation
    slot.index = index
    slot.generation = generation
    Self.dialect.writeRequest(&slot)
    return Array(slot.request.array().dropFirst(GRPCFrame.headByteCount))
  }

  /// By the same text that the record has in that field.
  @Test(arguments: [(Operation.indexGet, 4), (.uniqueGet, 5)])
  func askForWhatRecordsHave(operation: Operation, field: Int) throws {
    let stored = try fields(request(.put, of: 7))
    let match = try #require(try fields(request(operation, of: 7))[1])
    #expect(try fields(match) == [1: #require(stored[field])])
  }

  @Test func changeTheBreedAndNotTheChip() throws {
    let (first, changed) = (
      try fields(request(.put, of: 7)), try fields(request(.put, of: 7, generation: 2))
    )
    #expect(first[4] != changed[4])
    #expect([first[1], first[2], first[5]] == [changed[1], changed[2], changed[5]])
  }
}
