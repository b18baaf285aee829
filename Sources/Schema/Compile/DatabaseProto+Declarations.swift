import SwiftProtobuf

/// What is added after the user's text.
extension DatabaseProto {
  func generatedDeclarations() -> String {
    var text = "\n// Added by seandb: how a client reaches the models above.\n"
    for model in models { text += listMessage(model) }
    let columns = models.flatMap { model in
      (model.key.isPlain ? [] : model.key.columns) + model.indexes.flatMap(\.columns)
    }
    text += QueryProto.text(kinds: Set(columns.map(\.kind)))
    text += transactionMessage()
    text += service()
    return text
  }

  // MARK: - Messages

  private func listMessage(_ model: ModelRules.Candidate) -> String {
    let (name, key) = (model.name, model.key)
    // In the list message, the names of the messages in it come first.
    let watched =
      model.watch == nil ? [] : [ModelNames.watch, ModelNames.changes, ModelNames.change]
    let nested =
      [ModelNames.key, ModelNames.write, ModelNames.written, ModelNames.returning] + watched
    let isNested =
      nested.contains(name) || !key.isPlain && name == ModelNames.byPk
      || model.indexes.contains { $0.queryMessage == name }
    let record = isNested ? ".\(packageName).\(name)" : reference(name)
    let order =
      (key.text == ModelNames.keyField
        ? "the byte order of their pk" : "the order of their key (\(key.text))")
      + (model.indexes.isEmpty ? "" : ", or in that of an index,")
    return """

      // Records of \(name), in \(order) when they are an answer. A BatchPut takes the records alone.
      message \(model.plural) {
        // The name of one record.
        message \(ModelNames.key) {
      \(keyFields(key))
        }
      \(key.isPlain ? "" : keyMatches(key))\(model.indexes.map(indexMatches).joined())\
      \(writeMessages(record, key))\(model.watch.map { watchMessages(record, key, $0) } ?? "")\
        repeated \(record) \(model.listField) = 1;
        // Set when there are more records than this answer has: the page_token of the next call.
        string next_page_token = 2;
        // How many records there are, when the query has count_only.
        uint64 count = 3;
        // An etag for each record, when the query has with_etags. It changes when the record does.
        repeated string etags = 4;
      }

      """
  }

  private func writeMessages(_ record: String, _ key: ModelKey) -> String {
    let word = key.text == ModelNames.keyField ? ModelNames.keyField : "key"
    return """
        // One change of one record, made when its condition holds.
        message \(ModelNames.write) {
          // What the answer has beside the etag.
          enum \(ModelNames.returning) {
            NOTHING = 0;
            // The record as it is after the write.
            NEW = 1;
            // The record as it was before it.
            OLD = 2;
          }
          oneof action {
            // Stores the record under its \(word), in place of the one stored before.
            \(record) put = 1;
            // Replaces the fields that update_mask names in the record with this \(word), which must be there.
            \(record) update = 2;
            // Deletes the record with this \(word), if there is one.
            \(ModelNames.key) delete = 3;
            // Changes nothing; fails when the condition does not hold.
            \(ModelNames.key) check = 4;
          }
          // For update: a field that is named and not set is cleared. Not set: all that is set is replaced, repeated
          // fields and maps as a whole; * is the whole record.
          .google.protobuf.FieldMask update_mask = 5;
          oneof condition {
            // Whether there has to be a record.
            bool exists = 6;
            // The record has to be there with this etag.
            string etag = 7;
          }
          // A new UUID for each call: sent again with the same one within ten minutes, it changes nothing again, and
          // answers what it did the first time. At most 36 printable ASCII characters.
          string request_id = 8;
          \(ModelNames.returning) returning = 9;
        }
        message \(ModelNames.written) {
          // Of the record as it is now; empty after a delete.
          string etag = 1;
          // As returning asks for it; not set when there is none.
          \(record) record = 2;
        }

      """
  }

  private func watchMessages(_ record: String, _ key: ModelKey, _ watch: WatchOption) -> String {
    let query =
      key.isPlain
      ? ".\(packageName).\(ModelNames.query)" : ModelNames.byPk
    let withOld = """
          // Changes have the records as they were before, too.
          bool with_old = 4;

      """
    let records = """
          // As it is after a PUT.
          \(record) record = 3;

      """
    let old = """
          // As it was before, when the call asks for it and there was one.
          \(record) old = 4;

      """
    return """
        // Which changes are asked for. Without a start: those that come from now on.
        message \(ModelNames.watch) {
          oneof start {
            // Those after this revision: that of the last message that came, so that nothing is missed or comes twice.
            uint64 after = 1;
            // All records that there are, then every change.
            bool initial = 2;
          }
          // Only of these records: an expression alone.
          \(query) pk = 3;
      \(watch.hasOld ? withOld : "")  }
        // Changes in the order in which they were made. The first message of a call has none.
        message \(ModelNames.changes) {
          // Where another call goes on after this message. 0 while records come that initial asked for.
          uint64 revision = 1;
          repeated \(ModelNames.change) changes = 2;
          // The changes of the last transaction in this message go on in the next one; revision is before it.
          bool more = 3;
          // All records that initial asked for have come, as of revision.
          bool initial_done = 4;
        }
        message \(ModelNames.change) {
          enum \(ModelNames.kind) {
            // Stored, new or in place of the one before.
            PUT = 0;
            DELETE = 1;
            // Its time was over.
            EXPIRED = 2;
          }
          \(ModelNames.kind) kind = 1;
          \(ModelNames.key) key = 2;
      \(watch.isKeysOnly ? "" : records)\(watch.hasOld ? old : "")  }

      """
  }

  /// The name of a list in the message of transactions, whose own messages come first.
  private func transactionReference(_ plural: String) -> String {
    [ModelNames.write, ModelNames.result].contains(plural)
      ? ".\(packageName).\(plural)" : reference(plural)
  }

  private func transactionMessage() -> String {
    let fields = models.map { model in
      "      \(transactionReference(model.plural)).\(ModelNames.write) \(ModelNames.field(model.name)) = "
        + "\(model.transactionNumber);\n"
    }
    return """

      // Writes to any models, made together or not at all. Their conditions are about what there was before.
      message \(ModelNames.transaction) {
        message \(ModelNames.write) {
          oneof record {
      \(fields.joined())    }
        }
        message \(ModelNames.result) {
          // Of each write, in their order; empty when there is no record now.
          repeated string etags = 1;
        }
        // At most 1000, unless the server takes more; no two of one record.
        repeated \(ModelNames.write) writes = 1;
        // As that of a write that is alone; in these there is none.
        string request_id = 2;
      }

      """
  }

  private func keyFields(_ key: ModelKey) -> String {
    key.columns.enumerated().map { index, column in
      let isOptional = column.hasPresence && !column.kind.isTime
      return
        "    \(isOptional ? "optional " : "")\(type(of: column)) \(column.name) = \(index + 1);"
    }.joined(separator: "\n")
  }

  private func type(of column: Column) -> String {
    switch column.kind {
    case .enumeration: enumName(column)
    case .timestamp, .duration: "." + column.kind.name
    default: column.kind.name
    }
  }

  /// The name of an enum from anywhere: those of a schema without a package get one.
  private func enumName(_ column: Column) -> String {
    let first = column.typeName.dropFirst().prefix { $0 != "." }
    let isOwn =
      descriptor.package.isEmpty
      && TopLevelDeclaration.all(in: descriptor).contains { $0.name == first }
    return isOwn ? ".\(packageName)\(column.typeName)" : column.typeName
  }

  private func keyMatches(_ key: ModelKey) -> String {
    """
      // Chooses records by the columns of their key, the first ones: all but the last match are eq or in.
      message \(ModelNames.byPk) {
    \(matches(key.columns))\
    \(QueryProto.options(indent: "    "))  }

    """
  }

  private func indexMatches(_ index: ModelIndex) -> String {
    let options = QueryProto.options(
      indent: "    ", ordered: "the columns", deletion: index.isUnique ? "eq of every column" : nil)
    let shape =
      index.columns.count == 1
      ? "" : " by its first columns: all but the last match are eq or in"
    return """
        // Chooses records of the index on \(index.text)\(shape). Without a match: all of them.
        message \(index.queryMessage) {
      \(matches(index.columns))\
      \(options)  }

      """
  }

  /// A match for each column; of enums they are made there.
  private func matches(_ columns: [Column]) -> String {
    // A message must not be called like a field beside it.
    var names = Set(columns.map(\.queryName))
    var (nested, matches) = ("", "")
    for (index, column) in columns.enumerated() {
      var type = "\(ModelNames.query).\(QueryProto.name(of: column.kind))"
      if column.kind == .enumeration {
        type = "\(ModelNames.camelCase(column.queryName))Match"
        // `a_b` and `AB` have the same one, which some versions of protoc allow.
        while !names.insert(type).inserted { type += "\(index + 1)" }
        nested += QueryProto.match(
          name: type, type: enumName(column), isText: false, indent: "    ")
      }
      matches += "    \(type) \(column.queryName) = \(index + 1);\n"
    }
    return nested + matches
  }

  // MARK: - Service

  private func service() -> String {
    let methods = models.map { model in
      self.methods(of: model)
        + model.indexes.map { self.methods(of: $0, plural: model.plural) }.joined()
    }
    let transact = """

        // Makes all writes, or none.
        rpc \(ModelNames.transact)(\(ModelNames.transaction)) returns (\(ModelNames.transaction).\(ModelNames.result)) {}

      """
    return "\nservice \(databaseName.service) {\n" + methods.joined(separator: "\n") + transact
      + "}\n"
  }

  private static let isRead = "{\n    option idempotency_level = NO_SIDE_EFFECTS;\n  }"

  private func methods(of model: ModelRules.Candidate) -> String {
    let (name, plural) = (model.name, model.plural)
    let list = reference(plural)
    let word = model.key.text == ModelNames.keyField ? ModelNames.keyField : "key"
    let query = model.key.isPlain ? ModelNames.query : "\(list).\(ModelNames.byPk)"
    let isRead = Self.isRead
    return """
        // The \(name) with this \(word); NOT_FOUND when there is none.
        rpc \(ModelNames.getOneMethod(name: name))(\(list).\(ModelNames.key)) returns (\(reference(name))) \(isRead)
        // The \(plural) that the query chooses.
        rpc \(ModelNames.getMethod(plural: plural))(\(query)) returns (\(list)) \(isRead)
        // The same in as many messages as it takes, all of one moment; each says where to go on after it.
        rpc \(ModelNames.streamMethod(plural: plural))(\(query)) returns (stream \(list)) \(isRead)
        // Deletes the \(plural) that the query chooses, all or none.
        rpc \(ModelNames.deleteMethod(plural: plural))(\(query)) returns (Empty) {}
        // Stores one \(name) under its \(word), in place of the one stored before.
        rpc \(ModelNames.putMethod(name: name))(\(reference(name))) returns (Empty) {}
        // Stores several \(plural), all or none; of two with the same \(word) the last one wins.
        rpc \(ModelNames.batchPutMethod(plural: plural))(\(list)) returns (Empty) {}
        // Puts, updates, deletes or checks one \(name) when a condition holds.
        rpc \(ModelNames.writeMethod(name: name))(\(list).\(ModelNames.write)) returns (\(list).\(ModelNames.written)) {}

      """ + (model.watch == nil ? "" : watchMethod(plural: plural, list: list))
  }

  private func watchMethod(plural: String, list: String) -> String {
    """
      // The changes of the \(plural), as they are made. It ends only when the client or the server does.
      rpc \(ModelNames.watchMethod(plural: plural))(\(list).\(ModelNames.watch)) returns (stream \(list).\(ModelNames.changes)) \(Self.isRead)

    """
  }

  private func methods(of index: ModelIndex, plural: String) -> String {
    let list = reference(plural)
    let query = "\(list).\(index.queryMessage)"
    let deletion = """
        // Deletes the one of the \(plural) that has these values, if there is one.
        rpc \(index.deleteMethod(plural: plural))(\(query)) returns (Empty) {}

      """
    return """
        // The \(plural) that the query chooses, in the order of \(index.text).
        rpc \(index.getMethod(plural: plural))(\(query)) returns (\(list)) \(Self.isRead)
        // The same in as many messages as it takes, all of one moment; each says where to go on after it.
        rpc \(index.streamMethod(plural: plural))(\(query)) returns (stream \(list)) \(Self.isRead)
      \(index.isUnique ? deletion : "")
      """
  }

  /// A type name that means the same in the service and in the list messages.
  ///
  /// A message may be called `stream` or `string`, or like a method that is generated for another
  /// one; only its full name is clear then.
  private func reference(_ name: String) -> String {
    let isAmbiguous = Self.keywords.contains(name) || methodNames.contains(name)
    return isAmbiguous ? ".\(packageName).\(name)" : name
  }

  private static let keywords: Set<String> = [
    "bool", "bytes", "double", "enum", "extend", "extensions", "fixed32", "fixed64", "float",
    "group", "import", "int32", "int64", "map", "message", "oneof", "option", "optional", "package",
    "public", "repeated", "required", "reserved", "returns", "rpc", "service", "sfixed32",
    "sfixed64", "sint32", "sint64", "stream", "string", "syntax", "uint32", "uint64", "weak",
  ]
}
