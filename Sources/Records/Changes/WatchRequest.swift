package import Bytes

// SAFETY: the request is lent until the return; ranges of keys are copies.

/// A `Watch` message: which changes are asked for.
package struct WatchRequest: Sendable {
  /// Where the changes begin.
  package enum Start: Equatable, Sendable {
    case now
    case after(UInt64)
    /// With all records that there are.
    case initial
  }

  /// Why a request is refused.
  package enum Problem: Error, Sendable {
    case malformed(ProtobufError)
    /// It uses a field that this version does not know, and must not step over.
    case unsupported(Int)
    case severalStarts
    /// A decoder would take two `pk` as one, and whoever joined two messages meant both.
    case severalQueries
    /// The model keeps no records of before.
    case noOld
    case query(QueryError)
    /// Changes after that revision are not kept any more.
    case compacted(oldest: UInt64)
    /// There is no such revision yet.
    case unknownRevision(newest: UInt64)
  }

  /// Where the changes begin.
  package private(set) var start = Start.now
  /// Whether records as they were before are asked for.
  private(set) var hasOld = false
  /// nil for all records.
  private(set) var filter: RecordSource?

  private enum Field {
    static let after = 1
    static let initial = 2
    static let key = 3
    static let old = 4
    /// Kept for what a request may ask for in a later version.
    static let kept = 1...31
  }

  @safe
  fileprivate init(
    _ bytes: UnsafeRawBufferPointer, _ store: ModelStore
  ) throws(Problem) {
    var query: UnsafeRawBufferPointer?
    var (starts, queries, unsupported) = (0, 0, 0)
    do throws(ProtobufError) {
      var reader = unsafe ProtobufReader(bytes)
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        switch (tag.number, tag.wireType) {
        case (Field.after, 0):
          start = .after(try reader.nextVarint())
          starts += 1
        case (Field.initial, 0):
          start = try reader.nextVarint() != 0 ? .initial : .now
          starts += 1
        case (Field.key, 2):
          unsafe query = try reader.nextLengthDelimited()
          queries += 1
        case (Field.old, 0): hasOld = try reader.nextVarint() != 0
        default:
          if Field.kept.contains(tag.number) { unsupported = tag.number }
          try reader.skip(tag)
        }
      }
    } catch {
      throw .malformed(error)
    }
    guard unsupported == 0 else { throw .unsupported(unsupported) }
    guard starts <= 1 else { throw .severalStarts }
    guard queries <= 1 else { throw .severalQueries }
    guard !hasOld || store.keepsOldRecords else { throw .noOld }
    if let query = unsafe query {
      do throws(QueryError) {
        filter = try store.keys(named: query)
      } catch {
        throw .query(error)
      }
    }
  }
}

extension ChangeFeed {
  /// A reader of the changes that a serialized `Watch` asks for.
  @safe
  package func reader(
    _ request: UnsafeRawBufferPointer, of store: ModelStore
  ) throws(WatchRequest.Problem) -> ChangeReader {
    guard let log = log(ofModel: store.prefix.model) else {
      preconditionFailure("the model is watched")
    }
    let wanted = try WatchRequest(request, store)
    let newest = revision
    guard case .after(let after) = wanted.start else {
      return ChangeReader(wanted, store, log, at: newest, first: firstRevision)
    }
    guard after <= newest else { throw .unknownRevision(newest: newest) }
    let oldest = log.oldest
    guard after >= oldest else { throw .compacted(oldest: oldest) }
    return ChangeReader(wanted, store, log, at: after, first: firstRevision)
  }
}

extension ModelStore {
  /// The keys that a query names, an expression alone.
  @safe
  fileprivate func keys(
    named query: UnsafeRawBufferPointer
  ) throws(QueryError) -> RecordSource {
    if hasColumns { return try columnKeys(named: query) }
    let query = unsafe try parseIndexQuery(query)
    try query.options.refuseForDelete()
    return source(of: query.expression)
  }
}
