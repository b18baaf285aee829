import Bytes
import Engine
import Records
import Schema
import Wire

/// `BatchPutXs`: stores all records of a list, or none. Of several with the same key the last one stays.
struct BatchPutHandler: UnaryHandler {
  let access: ModelAccess

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    var records: [(record: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer)] = []
    var byteCount = 0
    do throws(RecordError) {
      var reader = RecordBatchReader(request, messageIndex: access.model.listMessageIndex)
      while let record = try reader.next() {
        let key = UnsafeRawBufferPointer(
          rebasing: record[try access.plan.checkRecord(record, model: access.model)])
        records.append((record, key))
        byteCount += record.count + key.count
      }
    } catch {
      let status = StatusMapping.status(of: error, plan: access.plan)
      return .failed(
        RPCStatus(
          status.code, reason: status.reason,
          "record \(records.count) of the batch: \(status.message); nothing was stored",
          metadata: [("recordIndex", String(records.count))]))
    }
    guard !records.isEmpty else { return .done }
    let isQueued = access.commits.enqueue(CommitTicket(context.token), byteCount: byteCount) {
      batch in
      for (record, key) in records { batch.put(key, prefix: access.prefix, value: record) }
    }
    return isQueued ? .pending : .failed(StatusMapping.writeQueueFull)
  }
}
