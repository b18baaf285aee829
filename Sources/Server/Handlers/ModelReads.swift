import Bytes
import Engine
import Records
import Schema
import Wire

// SAFETY: a key is lent until the return, its copy until the closure returns.

/// What the reading handlers of one model share: the store, the threads for what blocks, and the limit of an answer.
struct ModelReads: Sendable {
  let store: ModelStore
  let threads: StorageReads
  let maximumResponseBytes: Int

  func status(of error: EngineError) -> RPCStatus {
    StatusMapping.status(ofRead: error, model: store.model.fullName)
  }

  var responseTooLarge: RPCStatus { StatusMapping.responseTooLarge(limit: maximumResponseBytes) }

  /// Why a scan ended with `tooLarge`.
  func tooLarge(_ scan: RecordScan) -> RPCStatus {
    guard let record = scan.oversizedRecord else { return responseTooLarge }
    return unsafe record.key.withUnsafeBytes {
      StatusMapping.recordTooLarge(
        limit: maximumResponseBytes, model: store.model.fullName, key: $0,
        pageToken: record.pageToken)
    }
  }

  @safe
  private func tooLarge(_ key: UnsafeRawBufferPointer) -> RPCStatus {
    StatusMapping.recordTooLarge(
      limit: maximumResponseBytes, model: store.model.fullName, key: key, pageToken: nil)
  }

  /// Whether an answer with gRPC's prefix is small enough.
  func fits(_ response: borrowing ByteWriter) -> Bool {
    response.count - Completions.prefixBytes <= maximumResponseBytes
  }

  /// Answers with the record under `key`: at once when it is in memory, else from a storage thread.
  ///
  /// - Parameter absent: what the call ends with when there is no such record; nil is OK.
  @safe
  func point(
    _ key: UnsafeRawBufferPointer, _ answer: ModelStore.PointAnswer, _ context: CallContext,
    _ response: inout ByteWriter, absent: (UnsafeRawBufferPointer) -> RPCStatus?
  ) -> UnaryOutcome {
    do throws(EngineError) {
      switch try store.point(key, answer, tier: .memory, into: &response) {
      case .wouldBlock: return unsafe pointFromStorage(key, answer, context, absent: absent(key))
      case .found: return fits(response) ? .done : .failed(tooLarge(key))
      case .absent: return unsafe absent(key).map { .failed($0) } ?? .done
      }
    } catch {
      return .failed(status(of: error))
    }
  }

  @safe
  @inline(never)
  private func pointFromStorage(
    _ key: UnsafeRawBufferPointer, _ answer: ModelStore.PointAnswer, _ context: CallContext,
    absent: RPCStatus?
  ) -> UnaryOutcome {
    let key = unsafe Array(key)
    return threads.submit(context) { [self] _ in
      var response = Completions.messageWriter()
      var outcome = Result<ReadOutcome, EngineError>.success(.absent)
      unsafe key.withUnsafeBytes { key in
        do throws(EngineError) {
          outcome = .success(try store.point(key, answer, tier: .any, into: &response))
        } catch {
          outcome = .failure(error)
        }
      }
      switch outcome {
      case .failure(let error): return .finished(.failed(status(of: error)))
      case .success(.absent):
        if let absent { return .finished(.failed(absent)) }
      case .success: break
      }
      return .finished(
        fits(response)
          ? .message(OwnedMessage(response, countedBy: threads.answers))
          : .failed(unsafe key.withUnsafeBytes { tooLarge($0) }))
    }
  }
}
