import Bytes

// SAFETY: an answer is read while its slot does not change, a key while it is lent. A prefix is as long as the key at
// most.

/// etcd's `KV` service (etcdserverpb/rpc.proto of etcd 3.4). A record is the value of its key.
struct EtcdDialect: Dialect {
  static let operations: Set<Operation> = [
    .get, .put, .batchPut, .rangeGet, .count, .delete, .transact,
  ]

  private let shape: LoadShape
  private let records: RecordSource
  private let headers: HTTP2Session.Headers

  init(shape: LoadShape, records: RecordSource, scheme: String) {
    self.shape = shape
    self.records = records
    headers = .grpc(scheme: scheme) { operation in
      switch operation {
      case .get, .rangeGet, .page, .in, .count, .stream, .uniqueGet, .indexGet, .write, .update:
        "/etcdserverpb.KV/Range"
      case .put: "/etcdserverpb.KV/Put"
      case .batchPut, .transact: "/etcdserverpb.KV/Txn"
      case .delete: "/etcdserverpb.KV/DeleteRange"
      }
    }
  }

  func makeSession(slots: SlotTable) -> HTTP2Session {
    HTTP2Session(slots: slots, headers: headers)
  }

  func writeRequest(_ slot: inout CallSlot) {
    let index = slot.index
    let asked = shape.range(of: slot)
    GRPCFrame.write(&slot.request) { message in
      switch slot.operation {
      case .get:
        // RangeRequest.key
        RecordSource.withKey(index) { message.appendField(1, $0) }
        appendSerializable(to: &message)
      case .delete:
        // DeleteRangeRequest.key
        RecordSource.withKey(index) { message.appendField(1, $0) }
      case .rangeGet:
        appendRange(asked, to: &message)
        appendSerializable(to: &message)
      case .count:
        appendRange(asked, to: &message)
        appendSerializable(to: &message)
        // RangeRequest.count_only
        message.appendField(9, varint: 1)
      case .put:
        appendPut(index, to: &message)
      case .batchPut:
        for record in index..<index + shape.sizes.batchPut {
          // TxnRequest.success, RequestOp.request_put
          message.appendMessage(2) { operation in
            operation.appendMessage(2) { appendPut(record, to: &$0) }
          }
        }
      case .transact:
        for record in [index, shape.second(of: index)] {
          message.appendMessage(2) { operation in
            operation.appendMessage(2) { appendPut(record, generation: slot.generation, to: &$0) }
          }
        }
      case .page, .in, .stream, .uniqueGet, .indexGet, .write, .update:
        preconditionFailure("a call that `operations` does not have")
      }
    }
  }

  /// RangeRequest.key and range_end, which is the first key after the range.
  private func appendRange(_ range: Range<Int>, to message: inout ByteWriter) {
    RecordSource.withKey(range.lowerBound) { message.appendField(1, $0) }
    RecordSource.withKey(range.upperBound) { message.appendField(2, $0) }
  }

  /// RangeRequest.serializable: without asking a cluster's other nodes, of which there are none.
  private func appendSerializable(to message: inout ByteWriter) {
    message.appendField(7, varint: 1)
  }

  /// PutRequest.key and value.
  private func appendPut(_ index: Int, generation: UInt8 = 1, to message: inout ByteWriter) {
    RecordSource.withKey(index) { message.appendField(1, $0) }
    message.append(0x12)
    message.appendVarint(UInt64(records.byteCount))
    records.appendRecord(index, generation: generation, to: &message)
  }

  func isRight(_ slot: borrowing CallSlot, deleted: DeletedRecords) -> Bool {
    guard let message = unsafe GRPCFrame.message(of: slot.response) else { return false }
    switch slot.operation {
    case .put, .delete: return unsafe !message.isEmpty
    case .batchPut, .transact: return hasSucceeded(message)
    case .get, .rangeGet: return holdsRecords(message, slot, deleted)
    // RangeResponse.count
    case .count: return unsafe number(4, of: message) == UInt64(shape.sizes.count)
    case .page, .in, .stream, .uniqueGet, .indexGet, .write, .update: return false
    }
  }

  /// TxnResponse.succeeded
  @safe
  private func hasSucceeded(_ message: UnsafeRawBufferPointer) -> Bool {
    unsafe number(2, of: message) == 1
  }

  /// The number in a field; nil when it is not there.
  private func number(_ field: Int, of message: UnsafeRawBufferPointer) -> UInt64? {
    var reader = unsafe ProtobufReader(message)
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        if tag.number == field { return try reader.nextVarint() }
        try reader.skip(tag)
      }
    } catch {
      return nil
    }
    return nil
  }

  @safe
  private func holdsRecords(
    _ message: UnsafeRawBufferPointer, _ slot: borrowing CallSlot, _ deleted: DeletedRecords
  ) -> Bool {
    var expected = ExpectedRecords(shape.range(of: slot), of: records, deleted: deleted)
    var reader = unsafe ProtobufReader(message)
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        // RangeResponse.kvs
        guard tag.number == 2 else {
          try reader.skip(tag)
          continue
        }
        guard let record = try unsafe value(of: reader.nextLengthDelimited()),
          expected.accepts(record)
        else { return false }
      }
    } catch {
      return false
    }
    return expected.areComplete
  }

  /// KeyValue.value
  private func value(
    of pair: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> UnsafeRawBufferPointer? {
    var reader = unsafe ProtobufReader(pair)
    while !reader.isAtEnd {
      let tag = try reader.nextTag()
      if tag.number == 5 { return try unsafe reader.nextLengthDelimited() }
      try reader.skip(tag)
    }
    return nil
  }
}
