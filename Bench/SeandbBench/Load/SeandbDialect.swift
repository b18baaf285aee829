import Bytes

// SAFETY: an answer is read while its slot does not change, a key while it is lent. A prefix is as long as the key at
// most.

/// The seed's `database.proto`: seandb, and the hand-written server with a part of the same service.
package struct SeandbDialect: Dialect {
  package static let operations = Set(Operation.allCases)
  /// What needs no indexes.
  static let plainOperations = operations.subtracting([.uniqueGet, .indexGet])
  /// What the hand-written server has of them.
  static let seedOperations: Set<Operation> = [.get, .put, .batchPut, .rangeGet, .delete]

  private let shape: LoadShape
  private let records: RecordSource
  private let headers: HTTP2Session.Headers

  package init(
    shape: LoadShape, records: RecordSource, scheme: String, authorization: String? = nil
  ) {
    self.shape = shape
    self.records = records
    headers = .grpc(scheme: scheme, authorization: authorization, path: Self.path)
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
    case .get, .rangeGet, .page, .in, .count: "/database.Database/GetDogsByPk"
    case .stream: "/database.Database/StreamDogsByPk"
    case .put: "/database.Database/PutDog"
    case .batchPut: "/database.Database/BatchPutDogs"
    case .delete: "/database.Database/DeleteDogsByPk"
    case .uniqueGet: "/database.Database/GetDogsByChip"
    case .indexGet: "/database.Database/GetDogsByBreed"
    case .write, .update: "/database.Database/WriteDog"
    case .transact: "/database.Database/Transact"
    }
  }

  package func makeSession(slots: SlotTable) -> HTTP2Session {
    HTTP2Session(slots: slots, headers: headers)
  }

  // MARK: - Requests

  /// Numbers of the fields of `IndexQuery` and its parts.
  private enum Field {
    static let eq = 1
    static let lte = 3
    static let beginsWith = 4
    static let range = 7
    static let rangeGTE = 1
    static let rangeLT = 4
    static let keys = 8
    static let keysKeys = 1
    static let pageSize = 16
    static let order = 18
    static let countOnly = 20
    /// Of the queries by an index.
    static let firstColumn = 1
    /// Of a `Write`.
    static let writePut = 1
    static let writeUpdate = 2
    static let writeMask = 5
    static let writeExists = 6
    static let writeEtag = 7
    /// Of dogs in a write of a transaction (docs/schema.md, "Transactions").
    static let dog = 275_040_672
  }

  package func writeRequest(_ slot: inout CallSlot) {
    let index = slot.index
    let asked = shape.range(of: slot)
    GRPCFrame.write(&slot.request) { message in
      switch slot.operation {
      case .get, .delete:
        RecordSource.withKey(index) { message.appendField(Field.eq, $0) }
      case .rangeGet where shape.sizes.rangesHavePrefix:
        let count = shape.sizes.rangePrefixByteCount
        RecordSource.withKey(index) {
          unsafe message.appendField(
            Field.beginsWith, UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
        }
      case .rangeGet: appendRange(asked, to: &message)
      case .page:
        RecordSource.withKey(index) { message.appendField(Field.lte, $0) }
        message.appendField(Field.pageSize, varint: UInt64(shape.sizes.page))
        // Descending.
        message.appendField(Field.order, varint: 1)
      case .in:
        message.appendMessage(Field.keys) { keys in
          for index in slot.indexes {
            RecordSource.withKey(index) { keys.appendField(Field.keysKeys, $0) }
          }
        }
      case .count:
        appendRange(asked, to: &message)
        message.appendField(Field.countOnly, varint: 1)
      case .stream where shape.sizes.stream == shape.records:
        message.appendField(Field.beginsWith, [])
      case .stream: appendRange(asked, to: &message)
      case .put:
        records.appendRecord(index, generation: slot.generation, to: &message)
      case .write:
        message.appendTag(Field.writePut, wireType: 2)
        message.appendVarint(UInt64(records.byteCount))
        records.appendRecord(index, generation: slot.generation, to: &message)
        if let etag = slot.etag {
          message.appendTag(Field.writeEtag, wireType: 2)
          message.append(16)
          message.appendBigEndian(etag.letters.0)
          message.appendBigEndian(etag.letters.1)
        } else {
          message.appendField(Field.writeExists, varint: 1)
        }
      case .transact:
        for record in [index, shape.second(of: index)] {
          message.appendMessage(1) { write in
            write.appendMessage(Field.dog) { dog in
              dog.appendTag(Field.writePut, wireType: 2)
              dog.appendVarint(UInt64(records.byteCount))
              records.appendRecord(record, generation: slot.generation, to: &dog)
            }
          }
        }
      case .update:
        message.appendMessage(Field.writeUpdate) { record in
          records.appendChange(index, generation: slot.generation, to: &record)
        }
        message.appendMessage(Field.writeMask) { mask in
          for path in ["age", "breed"] { mask.appendField(1, Array(path.utf8)) }
        }
      case .batchPut:
        for record in index..<index + shape.sizes.batchPut {
          // Dogs.dogs
          message.append(0x0a)
          message.appendVarint(UInt64(records.byteCount))
          records.appendRecord(record, to: &message)
        }
      case .uniqueGet:
        appendMatch(16, to: &message) { message in
          let chip = RecordGroups.chip(of: index)
          message.appendBigEndian(chip.0)
          message.appendBigEndian(chip.1)
        }
      case .indexGet:
        appendMatch(8, to: &message) { message in
          message.appendBigEndian(
            RecordGroups.breed(ofGroup: index, generation: RecordGroups.generations.lowerBound))
        }
      }
    }
  }

  /// Of the query's first column: `eq`.
  private func appendMatch(
    _ byteCount: UInt8, to message: inout ByteWriter, _ value: (inout ByteWriter) -> Void
  ) {
    message.appendTag(Field.firstColumn, wireType: 2)
    message.append(byteCount + 2)
    message.appendTag(Field.eq, wireType: 2)
    message.append(byteCount)
    value(&message)
  }

  private func appendRange(_ asked: Range<Int>, to message: inout ByteWriter) {
    message.appendMessage(Field.range) { range in
      RecordSource.withKey(asked.lowerBound) { range.appendField(Field.rangeGTE, $0) }
      RecordSource.withKey(asked.upperBound) { range.appendField(Field.rangeLT, $0) }
    }
  }

  // MARK: - Answers

  /// Numbers of the fields of `Dogs`.
  private enum ListField {
    static let records = 1
    static let nextPageToken = 2
    static let count = 3
  }

  package func isRight(_ slot: borrowing CallSlot, deleted: DeletedRecords) -> Bool {
    if slot.operation == .stream { return isWholeStream(slot, deleted) }
    guard let message = unsafe GRPCFrame.message(of: slot.response) else { return false }
    switch slot.operation {
    case .put, .batchPut, .delete: return unsafe message.isEmpty
    case .write, .update: return unsafe Self.etag(message) != nil
    // Two etags.
    case .transact: return message.count == 36
    case .get, .rangeGet, .uniqueGet, .indexGet:
      return unsafe holds(expected(slot, deleted), message, hasToken: false)
    case .page:
      return unsafe holds(
        expected(slot, deleted), message, hasToken: shape.range(of: slot).lowerBound > 0)
    case .in: return unsafe holdsRecords(of: slot.indexes, message)
    case .count: return unsafe isCount(message)
    case .stream: return false
    }
  }

  /// The etag in the answer to a write; nil when there is none.
  static func etag(_ slot: borrowing CallSlot) -> CallSlot.KnownEtag? {
    guard let message = unsafe GRPCFrame.message(of: slot.response) else { return nil }
    return unsafe etag(message)
  }

  private static func etag(_ message: UnsafeRawBufferPointer) -> CallSlot.KnownEtag? {
    guard message.count == 18, unsafe message[0] == 0x0a, unsafe message[1] == 16 else {
      return nil
    }
    func letters(at offset: Int) -> UInt64 {
      unsafe UInt64(bigEndian: message.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    return CallSlot.KnownEtag(letters: (letters(at: 2), letters(at: 10)))
  }

  private func expected(
    _ slot: borrowing CallSlot, _ deleted: DeletedRecords
  ) -> ExpectedRecords {
    if slot.operation == .indexGet {
      return ExpectedRecords(
        groupOf: slot.index, count: shape.sizes.rangeGet, step: shape.groupCount, of: records)
    }
    return ExpectedRecords(
      shape.range(of: slot), isDescending: slot.operation == .page, of: records, deleted: deleted)
  }

  private func holds(
    _ expected: consuming ExpectedRecords, _ message: UnsafeRawBufferPointer, hasToken: Bool
  ) -> Bool {
    unsafe visit(message, hasToken: hasToken) { expected.accepts($0) } && expected.areComplete
  }

  /// Whether `message` has nothing but records that `accept` takes, at least one, and where it has to, a token
  /// after them.
  @inline(__always)
  private func visit(
    _ message: UnsafeRawBufferPointer, hasToken: Bool,
    _ accept: (UnsafeRawBufferPointer) -> Bool
  ) -> Bool {
    var reader = unsafe ProtobufReader(message)
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let number = try reader.nextTag().number
        let bytes = unsafe try reader.nextLengthDelimited()
        if number == ListField.nextPageToken {
          return unsafe hasToken && !bytes.isEmpty && reader.isAtEnd
        }
        guard number == ListField.records, unsafe accept(bytes) else { return false }
      }
    } catch {
      return false
    }
    return !hasToken
  }

  /// Every message but the last says where the next one begins.
  private func isWholeStream(_ slot: borrowing CallSlot, _ deleted: DeletedRecords) -> Bool {
    var expected = expected(slot, deleted)
    var offset = 0
    while offset < slot.response.count {
      guard let message = unsafe GRPCFrame.nextMessage(of: slot.response, at: &offset),
        unsafe !message.isEmpty,
        unsafe visit(message, hasToken: offset < slot.response.count, { expected.accepts($0) })
      else { return false }
    }
    return expected.areComplete
  }

  /// Whether these are the records of all keys, in their order and each once.
  private func holdsRecords(of indexes: [Int], _ message: UnsafeRawBufferPointer) -> Bool {
    let sorted = indexes.sorted()
    var position = 0
    let areRight = unsafe visit(message, hasToken: false) { record in
      guard position < sorted.count, records.isRecord(record, of: sorted[position]) else {
        return false
      }
      let taken = sorted[position]
      while position < sorted.count, sorted[position] == taken { position += 1 }
      return true
    }
    return areRight && position == sorted.count
  }

  private func isCount(_ message: UnsafeRawBufferPointer) -> Bool {
    var reader = unsafe ProtobufReader(message)
    do throws(ProtobufError) {
      guard try reader.nextTag().number == ListField.count else { return false }
      return try reader.nextVarint() == UInt64(shape.sizes.count) && reader.isAtEnd
    } catch {
      return false
    }
  }
}
