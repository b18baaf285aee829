/// How large one answer may be.
package struct AnswerLimits: Sendable {
  /// Bytes of a page: stock clients take messages of at most 4 MiB.
  static let pageBytes = 3 << 20

  /// Records; more are left for the next page.
  private(set) var records = Int.max
  /// Bytes, when what is too much can be left for the next page.
  private(set) var pageBytes: Int?
  /// Bytes; a larger answer is refused.
  let bytes: Int

  /// Whether the next answers are of the same moment.
  let hasSeveralAnswers: Bool

  /// Whether what is too much is left for the next page.
  var isPaged: Bool { pageBytes != nil }

  /// One answer with all records.
  package init(bytes: Int) {
    self.bytes = bytes
    hasSeveralAnswers = false
  }

  /// Many answers of about `chunkBytes` each, of which none is larger than `bytes`.
  package init(bytes: Int, chunkBytes: Int) {
    self.bytes = bytes
    pageBytes = min(chunkBytes, bytes)
    hasSeveralAnswers = true
  }

  /// At most `pageSize` records an answer.
  mutating func take(pageSize: Int) {
    records = pageSize
    if pageBytes == nil { pageBytes = min(Self.pageBytes, bytes) }
  }
}

/// How long a read may go on before it gives the thread back. A record of more than `bytes` needs a larger budget: with
/// this one the read stops before it each time.
package struct ReadBudget: Sendable {
  let records: Int
  let bytes: Int
  /// Bytes of the records that are looked at, of which an answer may have fewer or none.
  let visitedBytes: Int

  package init(records: Int, bytes: Int, visitedBytes: Int = .max) {
    self.records = records
    self.bytes = bytes
    self.visitedBytes = visitedBytes
  }

  /// For a thread that may block until the whole answer is read.
  package static let unlimited = ReadBudget(records: .max, bytes: .max)
}
