import Engine
import Server
import Testing
import Wire

/// The words of the statuses that no healthy server gives.
@Suite struct StatusMappingTests {
  private struct Case {
    let error: EngineError
    let code: StatusCode
    let reason: String
    let message: String

    init(_ error: EngineError, _ code: StatusCode, _ reason: String, _ message: String) {
      self.error = error
      self.code = code
      self.reason = reason
      self.message = message
    }
  }

  private static let failure = EngineError.Failure(
    operation: .get, directory: "data/store", detail: "a bad day")
  private static let words = "cannot get data/store: a bad day"
  private static let damaged =
    words
    + ". Stored data are damaged: stop the server, keep a copy of the directory, and see what can be saved "
    + "with `seandb repair --dry-run DIR`, or restore a backup"
  private static let ending = "the server is shutting down; call again later"
  private static let unknown = ". Whether this write was stored is not known"

  private static let reads: [Case] = [
    Case(.corruption(failure), .dataLoss, "CORRUPTION", damaged),
    Case(.closed, .unavailable, "SHUTTING_DOWN", ending),
    Case(
      .io(failure), .unavailable, "STORAGE_FAILED", words + ". Check the disk and the permissions"),
    Case(
      .noSpace(failure), .unavailable, "STORAGE_FAILED", words + ". The disk is full: free space"),
    Case(
      .other(failure), .internal, "STORAGE_FAILED",
      words + ". See what `seandb verify` says of the data directory"),
  ]

  private static let writes: [Case] = [
    Case(
      .readOnly(reason: "a bad day"), .unavailable, "READ_ONLY",
      "not stored: no writes are taken since noon (a bad day). Mend the cause, then restart the server"
    ),
    Case(
      .writesPaused(reason: "a bad day", isDiskFull: true), .resourceExhausted, "DISK_FULL",
      "not stored: no writes are taken for now since noon (a bad day). Mend the cause; writes go on by themselves then"
    ),
    Case(
      .writesPaused(reason: "a bad day", isDiskFull: false), .unavailable, "WRITES_PAUSED",
      "not stored: no writes are taken for now since noon (a bad day). Mend the cause; writes go on by themselves then"
    ),
    Case(.closed, .unavailable, "SHUTTING_DOWN", ending),
    Case(
      .noSpace(failure), .resourceExhausted, "DISK_FULL",
      words + ". The disk is full: free space" + unknown),
    Case(
      .tooLarge(bytes: 9, limit: 8), .resourceExhausted, "REQUEST_TOO_LARGE",
      "the engine stores at most 8 bytes at once, and these are 9; write less at a time. This write was not stored"
    ),
    Case(.corruption(failure), .dataLoss, "CORRUPTION", damaged + unknown),
    Case(
      .io(failure), .unavailable, "STORAGE_FAILED",
      words + ". Check the disk and the permissions" + unknown),
  ]

  @Test(arguments: reads.indices)
  func saysWhyAReadFailed(index: Int) {
    let row = Self.reads[index]
    let status = StatusMapping.status(ofRead: row.error, model: "database.Dog")
    #expect(status.message == row.message)
    #expect(status.code == row.code && status.reason == row.reason)
  }

  @Test(arguments: writes.indices)
  func saysWhyAWriteFailed(index: Int) {
    let row = Self.writes[index]
    let status = StatusMapping.status(ofWrite: row.error, since: "noon")
    #expect(status.message == row.message)
    #expect(status.code == row.code && status.reason == row.reason)
  }

  @Test(arguments: [
    (
      StatusMapping.writeQueueFull, "WRITE_QUEUE_FULL",
      "more writes are waiting than the server keeps in memory; this one was not stored, call again later"
    ),
    (
      StatusMapping.readQueueFull, "READ_QUEUE_FULL",
      "more reads are waiting for the disk than the server queues; call again later"
    ),
    (
      RPCStatus.answerMemoryFull, "ANSWER_BUFFER_FULL",
      "answers that their clients have not read yet fill the server's memory; call again later"
    ),
  ])
  func saysThatThereIsTooMuchToDo(status: RPCStatus, reason: String, message: String) {
    #expect(status.message == message)
    #expect(status.code == .resourceExhausted && status.reason == reason)
  }

  @Test("says where a stream goes on whose moment is not kept", arguments: [nil, "dG9rZW4"])
  func saysWhereAStreamGoesOn(token: String?) {
    let status = StatusMapping.snapshotTooOld(pageToken: token)
    #expect(status.code == .aborted && status.reason == "SNAPSHOT_TOO_OLD")
    #expect(
      status.message
        == "the stream took so long that its moment is not kept any more; go on after the last message with its "
        + "next_page_token in a new call, which sees the records as they are then")
    #expect(status.metadata.map(\.value) == (token.map { [$0] } ?? []))
  }
}
