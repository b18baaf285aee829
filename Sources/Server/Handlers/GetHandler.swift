import Bytes
import Engine
import Schema
import Wire

/// `GetXsByPk`: the records a key expression names, as stored, in ascending key order.
///
/// An answer is built without decoding a record: tag and length of the list's field, then the stored
/// bytes. What is in memory is answered on the event loop; a read that would touch the disk, or a range
/// longer than `inlineRecords`, goes to a storage thread and starts anew there, so that it is one
/// consistent read.
struct GetHandler: UnaryHandler {
  /// A range of at most this many records, and bytes, is answered on the event loop.
  static let inlineRecords = 64
  static let inlineBytes = 64 << 10
  /// The list's field for records (`repeated Dog dogs = 1`).
  private static let recordField = 1

  let access: ModelAccess

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(QueryError) {
      switch try parseIndexQuery(request) {
      case .eq(let key): return point(key, context, &response)
      case let expression: return range(access.range(of: expression), context, &response)
      }
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  // MARK: - One record

  private func point(
    _ key: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(EngineError) {
      switch try read(key, &response) {
      case .wouldBlock:
        let stored = access.prefix.key(key)
        return submit(context) { _, response throws(EngineError) in
          let value = try access.engine.value(forKey: stored)
          if let value { response.appendField(Self.recordField, value) }
          return true
        }
      case .found, .absent:
        return response.bytes.count - Completions.prefixBytes <= access.maximumResponseBytes
          ? .done : .failed(StatusMapping.responseTooLarge(limit: access.maximumResponseBytes))
      }
    } catch {
      return .failed(StatusMapping.status(ofRead: error, model: access.model.fullName))
    }
  }

  /// Looks in memory only.
  private func read(
    _ key: UnsafeRawBufferPointer, _ response: inout ByteWriter
  ) throws(EngineError) -> ReadOutcome {
    var result = Result<ReadOutcome, EngineError>.success(.absent)
    access.prefix.withKey(key) { stored in
      do throws(EngineError) {
        result = .success(
          try access.engine.get(stored, snapshot: nil, tier: .memory) {
            response.appendField(Self.recordField, $0)
          })
      } catch {
        result = .failure(error)
      }
    }
    return try result.get()
  }

  // MARK: - A range

  private func range(
    _ range: KeyRange, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    let start = response.bytes.count
    let inlineBytes = min(Self.inlineBytes, access.maximumResponseBytes)
    do throws(EngineError) {
      let outcome = try access.engine.scan(
        range, direction: .ascending, limit: Self.inlineRecords, snapshot: nil, tier: .memory
      ) { _, value in
        guard response.bytes.count - start + value.count <= inlineBytes else { return .stop }
        response.appendField(Self.recordField, value)
        return .next
      }
      if outcome == .complete && response.bytes.count - start <= access.maximumResponseBytes {
        return .done
      }
      response.truncate(to: start)
      return submit(context) { cancellation, response throws(EngineError) in
        try scan(range, cancellation, &response)
      }
    } catch {
      return .failed(StatusMapping.status(ofRead: error, model: access.model.fullName))
    }
  }

  /// - Returns: false when the call was cancelled on the way; the answer is incomplete then.
  private func scan(
    _ range: KeyRange, _ cancellation: CallCancellation, _ response: inout ByteWriter
  ) throws(EngineError) -> Bool {
    let limit = access.maximumResponseBytes + Completions.prefixBytes
    var isWanted = true
    _ = try access.engine.scan(
      range, direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { _, value in
      response.appendField(Self.recordField, value)
      if cancellation.isCancelled {
        isWanted = false
        return .stop
      }
      // One record beyond the limit is enough to know that the answer is too large.
      return response.bytes.count > limit ? .stop : .next
    }
    return isWanted
  }

  /// Has a storage thread run `read`, and answers with what it wrote unless that is too large, or `read`
  /// says that it did not come to its end: an answer is whole or an error.
  private func submit(
    _ context: CallContext,
    _ read: @escaping @Sendable (CallCancellation, inout ByteWriter) throws(EngineError) -> Bool
  ) -> UnaryOutcome {
    access.reads.submit(context) { [access] cancellation in
      var response = Completions.messageWriter()
      do throws(EngineError) {
        guard try read(cancellation, &response) else { return .failed(.deadlineExceeded) }
      } catch {
        return .failed(StatusMapping.status(ofRead: error, model: access.model.fullName))
      }
      guard response.bytes.count - Completions.prefixBytes <= access.maximumResponseBytes else {
        return .failed(StatusMapping.responseTooLarge(limit: access.maximumResponseBytes))
      }
      return .message(OwnedMessage(response))
    }
  }
}
