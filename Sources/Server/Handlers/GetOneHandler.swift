import Bytes
import Records
import Schema
import Wire

// SAFETY: the key is a view of the request, which is lent until `call` returns.

/// `GetX`: the record with a key, as stored; NOT_FOUND when there is none.
struct GetOneHandler: UnaryHandler {
  let reads: ModelReads

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(QueryError) {
      if reads.store.hasColumns {
        return try columnPoint(request, context, &response)
      }
      return unsafe reads.point(try parseKey(request), .alone, context, &response)
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  @safe
  private func columnPoint(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) throws(QueryError) -> UnaryOutcome {
    let key = try reads.store.columnKey(request)
    return unsafe key.withUnsafeBytes { reads.point($0, .alone, context, &response) }
  }
}
