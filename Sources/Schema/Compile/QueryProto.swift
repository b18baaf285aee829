/// The messages of queries in the generated file, which are the same for all models.
enum QueryProto {
  /// `IndexQuery` and `Empty`.
  ///
  /// - Parameter kinds: of the columns that have matches in the schema; of an enum the match is with its model.
  static func text(kinds: Set<ColumnKind>) -> String {
    var seen: Set<String> = []
    let matches = ColumnKind.allCases.filter { kinds.contains($0) && $0 != .enumeration }
      .filter { seen.insert(name(of: $0)).inserted }
      .map { kind in
        match(name: name(of: kind), type: typeName(of: kind), isText: kind.isText, indent: "  ")
      }.joined()
    return head + matches + expression + options(indent: "  ") + "}\n\nmessage Empty {}\n"
  }

  /// There is one match for all signed integers, and one for all others. Each floating-point type has its own.
  static func name(of kind: ColumnKind) -> String {
    switch kind {
    case .string: "String"
    case .bytes: "Bytes"
    case .bool: "Bool"
    case .timestamp: "Timestamp"
    case .duration: "Duration"
    case .float: "Float"
    case .double: "Double"
    case .uint32, .uint64, .fixed32, .fixed64: "UInt64"
    default: "Int64"
    }
  }

  private static func typeName(of kind: ColumnKind) -> String {
    switch kind {
    case .string, .bytes, .bool: kind.name
    case .timestamp, .duration: "." + kind.name
    default: name(of: kind).lowercased()
    }
  }

  /// A message that says which values of one column are asked for.
  static func match(name: String, type: String, isText: Bool, indent: String) -> String {
    let beginning =
      isText
      ? "\n    // What begins with this; all values when it is empty.\n    \(type) begins_with = 4;"
      : ""
    let text = """
      // Chooses records by a \(name == "Bool" ? "bool" : "value") of one column.
      message \(name) {
        message Range {
          oneof lower {
            \(type) gte = 1;
            \(type) gt = 2;
          }
          oneof upper {
            \(type) lte = 3;
            \(type) lt = 4;
          }
        }
        message Values {
          repeated \(type) values = 1;
        }
        oneof expression {
          \(type) eq = 1;
          \(type) gte = 2;
          \(type) lte = 3;\(beginning)
          \(type) gt = 5;
          \(type) lt = 6;
          // Between two bounds.
          Range range = 7;
          // Any of 1 to 1000 values.
          Values in = 8;
          // Records without a value; a key always has one.
          bool is_unset = 9;
        }
      }

      """
    return text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "" : indent + $0 }.joined(separator: "\n")
  }

  /// Whether a query has a field of this name already, or of one that JSON writes alike.
  static func isOptionName(_ name: String) -> Bool {
    ["pagesize", "pagetoken", "order", "readmask", "countonly", "withetags"]
      .contains(ModelNames.folded(name))
  }

  /// The fields of a query beside those that choose records.
  ///
  /// - Parameters:
  ///   - ordered: by what the records are.
  ///   - deletion: what a Delete takes; nil when there is none.
  static func options(
    indent: String, ordered: String = "the pks", deletion: String? = "an expression"
  ) -> String {
    let head = deletion.map {
      "// The rest is for Get and Stream; a Delete takes \($0) alone.\n\n"
    }
    return """
      \(head ?? "")// At most so many records in one answer; 0 is all of them, or an error when they are too many for one message.
      uint32 page_size = 16;
      // Goes on where an answer to the same query ended: its next_page_token.
      string page_token = 17;
      // Of \(ordered). DESCENDING gives the last ones first.
      \(indent == "  " ? "" : "IndexQuery.")Order order = 18;
      // Only these fields of each record. Not set: the records as they are stored.
      .google.protobuf.FieldMask read_mask = 19;
      // No records, only how many there are.
      bool count_only = 20;
      // An etag for each record.
      bool with_etags = 21;

      """.split(separator: "\n", omittingEmptySubsequences: false)
        .map { $0.isEmpty ? "" : indent + $0 }.joined(separator: "\n")
  }

  private static let head = """

    // Chooses records by their pk. Keys are compared byte by byte. A query without an expression is
    // an error; it never means everything.
    message IndexQuery {
      enum Order {
        ASCENDING = 0;
        DESCENDING = 1;
      }
      // The pks between two bounds. One that is not set is open; at least one is set.
      message Range {
        oneof lower {
          string gte = 1;
          string gt = 2;
        }
        oneof upper {
          string lte = 3;
          string lt = 4;
        }
      }
      message Keys {
        repeated string keys = 1;
      }

    """

  private static let expression = """
      oneof expression {
        // The record with this pk.
        string eq = 1;
        // All records from this pk on, itself included.
        string gte = 2;
        // All records up to this pk, itself included.
        string lte = 3;
        // All records whose pk begins with this; "" is everything.
        string begins_with = 4;
        // All records after this pk, without itself.
        string gt = 5;
        // All records before this pk, without itself.
        string lt = 6;
        // All records between two pks.
        Range range = 7;
        // The records with these pks, 1 to 1000 of them. Each record is answered once.
        Keys in = 8;
      }

    """
}
