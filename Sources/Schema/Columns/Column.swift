/// A field of a model, or of a message in it, whose value is a part of a key or of an index.
package struct Column: Sendable, Equatable {
  /// In the schema: `tenant`, and with dots between the fields on the way: `address.city`.
  package let name: String
  /// The numbers of the fields on the way, from the model's message on; 1 or more. The column of a key has one.
  package let path: [UInt32]
  /// Which field on the way is repeated, as an index into ``path``: each of its elements has a value of its own.
  package let repeatedStep: Int?
  /// Of the last field's type.
  package let kind: ColumnKind
  /// Larger values come first.
  package let isDescending: Bool
  /// Whether an absent field is unset, and not its default: `optional`, messages and members of a oneof. What is in a
  /// message that is absent is unset anyway. A key has to be set.
  package let hasPresence: Bool
  /// Of an enum, with its package and a leading dot; else empty.
  package let typeName: String

  /// The number of the first field on the way: of a key, of its only one.
  package var number: UInt32 { path[0] }
  /// What the column is called in a query: its name with `_` for dots.
  package var queryName: String { name.replacingDots }

  /// - Parameters:
  ///   - path: not empty.
  ///   - typeName: of an enum.
  package init(
    name: String, path: [UInt32], repeatedStep: Int? = nil, kind: ColumnKind, isDescending: Bool,
    hasPresence: Bool, typeName: String
  ) {
    self.name = name
    self.path = path
    self.repeatedStep = repeatedStep
    self.kind = kind
    self.isDescending = isDescending
    self.hasPresence = hasPresence
    self.typeName = typeName
  }
}

extension String {
  fileprivate var replacingDots: String { String(map { $0 == "." ? "_" : $0 }) }
}
