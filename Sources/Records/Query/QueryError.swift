package import Schema

/// Why an `IndexQuery` is refused.
package enum QueryError: Error, Equatable, Sendable {
  /// No expression is set. It never means everything.
  case missing
  /// Two expressions are set, by their field numbers in the order of the wire.
  case several(Int, Int)
  /// A field that this version does not know: a kind of query that clients of a later one have.
  case unsupported(Int)
  case emptyKey
  /// `range` has no bound. It never means everything.
  case unbounded
  /// `range` has two bounds of one end, by their field numbers in `Range`.
  case severalBounds(Int, Int)
  /// `range` has a field that this version does not know.
  case unsupportedBound(Int)
  /// More than ``RecordPlan/maximumKeySize`` bytes.
  case keyTooLong(Int)
  case invalidUTF8(field: Int, offset: Int)
  /// Of a bound of `range`, by its field number in `Range`.
  case boundNotUTF8(field: Int, offset: Int)
  /// The request is no `IndexQuery` message.
  case malformed(RecordError)
  /// `in` names no key. It never means everything.
  case noKeys
  /// `in` names more than ``KeyList/maximumCount`` keys.
  case tooManyKeys(Int)
  /// A key of `in` is empty, by its place among them.
  case emptyKeyInList(Int)
  /// A nested message has a field that this version does not know.
  case unsupportedIn(message: String, field: Int)
  /// An `order` that this version does not know.
  case unknownOrder(UInt64)
  /// A field that says how to answer is set in a request that has no such answer.
  case notForDelete(String)
  case notForStream(String)
  /// `count_only` is set with this one.
  case countWith(String)
  /// `page_token` is none that this query was given.
  case badPageToken(PageTokenError)
  case badMask(path: String, MaskError)
  /// The request for one record has no key.
  case keyMissing
  /// The request for one record has a key of more than ``RecordPlan/maximumKeySize`` bytes.
  case requestedKeyTooLong(Int)
  /// The request is no `Key` message.
  case malformedKey(RecordError)
  /// The key of the request has a column that no record can have.
  case badKeyColumn(String, KeyColumnProblem)
  /// The match of one column says nothing that it can say.
  case badMatch(column: String, MatchError)
  /// A column has a match, and one before it has none, or one that is a range.
  case gap(missing: String, isRange: Bool, later: String)
  /// The matches name more than ``KeyList/maximumCount`` ranges of keys.
  case tooManyRanges(Int)
  /// A Delete by columns has no match. It never means everything.
  case nothingToDelete
  /// A Delete by a unique index has to name a value of each of its columns.
  case deleteNeedsAllColumns(index: String)
  /// The index has not all entries yet.
  case indexBuilding(index: String, done: UInt64, total: UInt64)
  /// The index could not be built, for these reasons.
  case indexFailed(index: String, reasons: [String])
}

/// Why a column cannot be in a key.
package enum KeyColumnProblem: Equatable, Sendable {
  case unset
  case empty
  case outOfRange
}

/// Why the match of a column is refused.
package enum MatchError: Equatable, Sendable {
  /// No expression is set. It never means everything.
  case empty
  /// Two expressions, or bounds of one end, or matches of one column.
  case several
  /// A field that this version does not know.
  case unsupported(Int)
  case malformed(offset: Int)
  case notUTF8(offset: Int)
  /// A number that the field's type cannot have, or a time that is none.
  case outOfRange
  /// `range` has no bound.
  case unbounded
  /// `in` has no value.
  case noValues
  /// `in` has more than ``KeyList/maximumCount`` values.
  case tooManyValues
  /// A value has so many bytes, more than ``RecordPlan/maximumKeySize``.
  case tooLong(Int)
}

/// Why a page token is refused.
package enum PageTokenError: Equatable, Sendable {
  /// Cut, changed, or of another database.
  case damaged
  /// Of another model, expression or order.
  case ofAnotherQuery
}

/// Why a path of a mask is refused.
package enum MaskError: Equatable, Sendable {
  /// The field whose name is in the path has no such name in this message.
  case unknownField(name: String, message: String)
  /// The path goes on after a field that has no fields.
  case notAMessage(field: String)
  /// The path goes on after a repeated field or a map.
  case throughRepeated(field: String)
  /// The path, or a part of it, is empty.
  case empty
  /// The mask has more than ``MaskTree/maximumBytes``, or more than 100 levels.
  case tooLong
  /// The mask is no `FieldMask` message.
  case malformed
}

extension QueryError: CustomStringConvertible {
  /// A sentence for the caller: what is wrong and what to do.
  package var description: String {
    switch self {
    case .missing:
      "the query has no expression: set one of eq, gte, gt, lte, lt, range, in, begins_with "
        + "(begins_with: \"\" is everything)"
    case .several(let first, let second) where first == second:
      "the query has two expressions, both \(Self.name(first)): set one alone"
    case .several(let first, let second):
      "the query has two expressions, \(Self.name(first)) and \(Self.name(second)): set one alone"
    case .unsupported(let number):
      "the query uses field \(number) of IndexQuery, which this server does not support: leave it "
        + "out, or use a newer server"
    case .emptyKey:
      "the key of eq is empty: no record has an empty key (begins_with: \"\" is everything)"
    case .unbounded:
      "the range of the query has no bound: set one of gte and gt, one of lte and lt, or both (begins_with: \"\" "
        + "is everything)"
    case .severalBounds(let first, let second) where first == second:
      "the range of the query has two bounds of one end, both \(Self.boundName(first)): set one alone"
    case .severalBounds(let first, let second):
      "the range of the query has two bounds of one end, \(Self.boundName(first)) and \(Self.boundName(second)): "
        + "set one alone"
    case .unsupportedBound(let number):
      "the query uses field \(number) of IndexQuery.Range, which this server does not support: leave it out, or "
        + "use a newer server"
    case .boundNotUTF8(let field, let offset):
      "\(Self.boundName(field)) of the query's range is not UTF-8 at byte \(offset); keys are UTF-8 text"
    case .keyTooLong(let size):
      "the key of the query has \(size) bytes; keys have at most \(RecordPlan.maximumKeySize): take a shorter one"
    case .invalidUTF8(let field, let offset):
      "\(Self.name(field)) of the query is not UTF-8 at byte \(offset); keys are UTF-8 text"
    case .malformed(let error) where error.reason == .wrongWireType:
      "\(Self.name(Int(error.fieldNumber))) of the query is no \(Self.typeName(error.fieldNumber)), at byte "
        + "\(error.offset); generate the client from this server's schema"
    case .malformed(let error):
      "the query is no message of its type: it is malformed at byte \(error.offset); encode it "
        + "with a protobuf library"
    case .noKeys:
      "in of the query names no key: name 1 to \(KeyList.maximumCount) (begins_with: \"\" is everything)"
    case .tooManyKeys(let count):
      "in of the query names \(count) keys; at most \(KeyList.maximumCount) are allowed: ask in several calls"
    case .emptyKeyInList(let index):
      "key \(index) of in is empty: no record has an empty key"
    case .unsupportedIn(let message, let field):
      "the request uses field \(field) of \(message), which this server does not support: leave it out, or use a "
        + "newer server"
    case .unknownOrder(let value):
      "order of the query is \(value), which this server does not know: set ASCENDING (0) or DESCENDING (1), or use a newer server"
    case .notForDelete(let name):
      "\(name) is set in a Delete, which has no place for it: leave it out; a Delete takes an expression alone"
    case .notForStream(let name):
      "\(name) is set in a stream, which has no place for it: leave it out, or call Get"
    case .countWith(let name):
      "count_only and \(name) are set together: the count is that of all records of the expression; leave one of them out"
    case .badPageToken(.damaged):
      "page_token is cut off, changed, or of another database: pass next_page_token as it came"
    case .badPageToken(.ofAnotherQuery):
      "page_token is of another query: pass it with the model, expression and order of the call that gave it; page_size and "
        + "read_mask may change"
    case .badMask(let path, let error): Self.describe(error, path)
    case .keyMissing:
      "the key is missing; set it to 1 to \(RecordPlan.maximumKeySize) bytes"
    case .requestedKeyTooLong(let size):
      "the key has \(size) bytes; keys have at most \(RecordPlan.maximumKeySize): take a shorter one"
    case .malformedKey(let error) where error.reason == .invalidUTF8:
      "the key is not UTF-8 at byte \(error.offset); keys are UTF-8 text"
    case .malformedKey(let error):
      "the request is no Key message: it is malformed at byte \(error.offset); generate the client from this server's schema"
    case .badKeyColumn(let name, .unset): "\(name) of the key is not set: set each field of the key"
    case .badKeyColumn(let name, .empty): "\(name) of the key is empty: no record has an empty key"
    case .badKeyColumn(let name, .outOfRange):
      "\(name) of the key is out of the range of its type: no record has such a key"
    case .badMatch(let column, let error): "the match of \(column) \(Self.describe(error))"
    case .gap(let missing, false, let later):
      "the query has a match of \(later) and none of \(missing), which comes before it: match \(missing) with eq or in, or leave \(later) out"
    case .gap(let missing, true, let later):
      "the query has a match of \(later) after one of \(missing) that is neither eq nor in: only the last match may be a range; "
        + "match \(missing) with eq or in, or leave \(later) out"
    case .tooManyRanges(let count):
      "the matches of the query name \(count) combinations of values; at most \(KeyList.maximumCount) are allowed: ask in several calls"
    case .nothingToDelete:
      "the Delete has no match: match at least the first field of the key; it never means everything"
    case .deleteNeedsAllColumns(let index):
      "a Delete by index \(index) names one record by all fields: match each of them with eq"
    case .indexBuilding(let index, let done, let total):
      "index \(index) is being built, \(done) of about \(total) records are done: call again later"
    case .indexFailed(let index, let reasons):
      "index \(index) could not be built: \(reasons.first ?? "see the log")\(reasons.count > 1 ? " (and \(reasons.count - 1) more, see the log)" : ""). "
        + "Mend the records, then restart the server"
    }
  }

  private static func describe(_ error: MatchError) -> String {
    switch error {
    case .empty:
      "has no expression: set one of eq, gte, gt, lte, lt, range, in, begins_with, or leave the match out"
    case .several: "has two expressions, or comes twice: set one alone"
    case .unsupported(let field):
      "uses field \(field), which this server does not support: leave it out, or use a newer server"
    case .malformed(let offset):
      "is malformed at byte \(offset) of the query; generate the client from this server's schema"
    case .notUTF8(let offset): "is not UTF-8 at byte \(offset) of the query; use text"
    case .outOfRange: "has a value out of the range of its type: give one that a field can have"
    case .tooLong(let size):
      "has a value of \(size) bytes, and no key or index has more than \(RecordPlan.maximumKeySize): take a shorter one"
    case .unbounded:
      "has a range without a bound: set one of gte and gt, one of lte and lt, or both"
    case .noValues: "has an empty list for in: name 1 to \(KeyList.maximumCount) values"
    case .tooManyValues:
      "has more than \(KeyList.maximumCount) values for in: ask in several calls"
    }
  }

  private static func describe(_ error: MaskError, _ path: String) -> String {
    // A status has room for some words, and not for a path of kilobytes.
    func shown(_ text: String) -> String { text.count <= 200 ? text : text.prefix(200) + "…" }
    let subject = "the path \"\(shown(path))\" of the mask"
    return switch error {
    case .unknownField(let name, let message):
      "\(subject): \(message) has no field \"\(shown(name))\"; write fields as in the schema, with dots between them"
    case .notAMessage(let field):
      "\(subject) goes on after \(field), which is no message: end it there"
    case .throughRepeated(let field):
      "\(subject) goes on after \(field), which is repeated or a map: end it there; it is taken as a whole"
    case .empty: "\(subject) has an empty part: write fields with one dot between them"
    case .tooLong:
      "the mask is too long: at most \(MaskTree.maximumBytes) bytes and 100 levels are allowed; name fewer fields"
    case .malformed: "the mask is no FieldMask message; encode it with a protobuf library"
    }
  }
}

extension QueryError {
  private static func name(_ field: Int) -> String {
    let names = ["eq", "gte", "lte", "begins_with", "gt", "lt", "range", "in"]
    if names.indices.contains(field - 1) { return names[field - 1] }
    return QueryOptions.Field(rawValue: UInt32(field))?.name ?? "field \(field)"
  }

  private static func typeName(_ field: UInt32) -> String {
    switch QueryOptions.Field(rawValue: field) {
    case .pageSize: "number"
    case .order: "enum"
    case .countOnly, .withEtags: "bool"
    case .readMask: "message"
    default: field == 7 || field == 8 ? "message" : "string"
    }
  }

  private static func boundName(_ field: Int) -> String {
    let names = ["gte", "gt", "lte", "lt"]
    return names.indices.contains(field - 1) ? names[field - 1] : "field \(field)"
  }
}
