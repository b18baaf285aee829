import Bytes

// SAFETY: an answer is read while its slot does not change, a key while it is lent. A prefix is as long as the key at
// most.

/// The seed's `database.proto`: seandb, and the hand-written server with the same service.
package struct SeandbDialect: Dialect {
  package static let operations = Set(Operation.allCases)

  private let shape: LoadShape
  private let records: RecordSource
  private let headers: HTTP2Session.Headers

  package init(shape: LoadShape, records: RecordSource, scheme: String) {
    self.shape = shape
    self.records = records
    headers = .grpc(scheme: scheme, path: Self.path)
  }

  /// Bytes of a framed `Dogs` with one record.
  static func answerByteCount(_ records: RecordSource) -> Int {
    var answer = ByteWriter()
    GRPCFrame.write(&answer) { message in
      message.append(0x0a)
      message.appendVarint(UInt64(records.byteCount))
    }
    return answer.count + records.byteCount
  }

  package static func path(_ operation: Operation) -> String {
    switch operation {
    case .get, .rangeGet: "/database.Database/GetDogsByPk"
    case .put: "/database.Database/PutDog"
    case .batchPut: "/database.Database/BatchPutDogs"
    case .delete: "/database.Database/DeleteDogsByPk"
    }
  }

  package func makeSession(slots: SlotTable) -> HTTP2Session {
    HTTP2Session(slots: slots, headers: headers)
  }

  package func writeRequest(_ slot: inout CallSlot) {
    let index = slot.index
    GRPCFrame.write(&slot.request) { message in
      switch slot.operation {
      case .get, .delete:
        // IndexQuery.eq
        RecordSource.withKey(index) { message.appendField(1, $0) }
      case .rangeGet:
        // IndexQuery.begins_with
        let count = shape.rangeKeyByteCount
        RecordSource.withKey(index) {
          unsafe message.appendField(4, UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
        }
      case .put:
        records.appendRecord(index, to: &message)
      case .batchPut:
        for record in index..<index + shape.batchRecords {
          // Dogs.dogs
          message.append(0x0a)
          message.appendVarint(UInt64(records.byteCount))
          records.appendRecord(record, to: &message)
        }
      }
    }
  }

  package func isRight(_ slot: borrowing CallSlot, deleted: DeletedRecords) -> Bool {
    guard let message = unsafe GRPCFrame.message(of: slot.response) else { return false }
    switch slot.operation {
    case .put, .batchPut, .delete: return unsafe message.isEmpty
    case .get, .rangeGet:
      var expected = ExpectedRecords(shape.range(of: slot), of: records, deleted: deleted)
      var reader = unsafe ProtobufReader(message)
      do throws(ProtobufError) {
        while !reader.isAtEnd {
          guard try reader.nextTag().number == 1 else { return false }
          guard unsafe expected.accepts(try reader.nextLengthDelimited()) else { return false }
        }
      } catch {
        return false
      }
      return expected.areComplete
    }
  }
}
