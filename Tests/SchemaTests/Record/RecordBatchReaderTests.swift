import Schema
import TestSupport
import Testing

@Suite("Record batch reader")
struct RecordBatchReaderTests {
  private func records(
    _ bytes: [UInt8], messageIndex: Int = -1
  ) throws -> [[UInt8]] {
    try bytes.withUnsafeBytes { buffer in
      var reader = RecordBatchReader(buffer, messageIndex: messageIndex)
      var result: [[UInt8]] = []
      while let record = try reader.next() { result.append(Array(record)) }
      return result
    }
  }

  @Test func returnsEveryRecordInOrderAndStepsOverOtherFields() throws {
    let bytes =
      WireBytes.field(1, "one") + WireBytes.field(2, "token") + WireBytes.field(1, [])
      + WireBytes.field(3, varint: 7) + WireBytes.group(4, WireBytes.field(1, "not a record"))
      + WireBytes.field(1, String(repeating: "x", count: 300))
    #expect(
      try records(bytes) == [
        Array("one".utf8), [], Array(repeating: UInt8(ascii: "x"), count: 300),
      ])
    #expect(try records([]) == [])
  }

  @Test func namesTheListInAnError() async throws {
    let schema = try await compile(seedSchema)
    let model = try #require(schema.models.first)
    do {
      _ = try records(WireBytes.field(1, varint: 1), messageIndex: model.listMessageIndex)
      Issue.record("accepted")
    } catch {
      let error = try #require(error as? RecordError)
      #expect(
        schema.recordPlan.describe(error)
          == "field `dogs` (1) of database.Dogs: expected a length-delimited value, "
          + "found a varint at byte 0; generate the client from this server's schema")
    }
  }

  static let malformed: [([UInt8], RecordError.Reason)] = [
    ([0x0A, 5, 1], .truncated), ([0x0A], .truncated), ([0x80], .truncated), ([0x00], .invalidTag),
    (WireBytes.tag(1, 5) + [0, 0, 0, 0], .wrongWireType), (WireBytes.tag(2, 4), .unmatchedGroup),
    (WireBytes.tag(1, 3) + WireBytes.tag(1, 4), .wrongWireType),
    (WireBytes.tag(2, 7), .invalidWireType),
  ]

  @Test("Refuses what is malformed", arguments: malformed)
  func refuses(_ bytes: [UInt8], _ reason: RecordError.Reason) throws {
    do {
      _ = try records(WireBytes.field(1, "good") + bytes)
      Issue.record("accepted")
    } catch {
      #expect((error as? RecordError)?.reason == reason)
    }
  }
}
