/// A field of a model whose value is a part of the key.
package struct KeyColumn: Sendable, Equatable {
  /// In the schema.
  package let name: String
  /// Of the field in the model's message.
  package let number: UInt32
  /// Of the field's type.
  package let kind: ColumnKind
  /// Larger values come first.
  package let isDescending: Bool
  /// Whether an absent field is unset, and not its default: `optional`, and messages. A key has to be set.
  package let hasPresence: Bool
  /// Of an enum, with its package and a leading dot; else empty.
  package let typeName: String

  /// - Parameter typeName: of an enum.
  package init(
    name: String, number: UInt32, kind: ColumnKind, isDescending: Bool, hasPresence: Bool,
    typeName: String
  ) {
    self.name = name
    self.number = number
    self.kind = kind
    self.isDescending = isDescending
    self.hasPresence = hasPresence
    self.typeName = typeName
  }
}

/// What the records of a model are named by, and ordered by.
package struct ModelKey: Sendable, Equatable {
  /// Of a key, at most.
  package static let maximumColumns = 15

  /// From the first one that orders on; 1 to 15.
  package let columns: [KeyColumn]

  /// Whether the key is the bytes of one string, which need no encoding.
  package var isPlain: Bool {
    columns.count == 1 && columns[0].kind == .string && !columns[0].isDescending
  }

  /// As in the option: `tenant, -created, id`.
  package var text: String {
    columns.map { ($0.isDescending ? "-" : "") + $0.name }.joined(separator: ", ")
  }

  /// - Parameter columns: 1 to 15.
  package init(columns: [KeyColumn]) { self.columns = columns }
}
