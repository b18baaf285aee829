/// What the records of a model are named by, and ordered by.
package struct ModelKey: Sendable, Equatable {
  /// Of a key, at most.
  package static let maximumColumns = 15

  /// From the first one that orders on; 1 to 15.
  package let columns: [Column]

  /// Whether the key is the bytes of one string, which need no encoding.
  package var isPlain: Bool {
    columns.count == 1 && columns[0].kind == .string && !columns[0].isDescending
  }

  /// As in the option: `tenant, -created, id`.
  package var text: String { Column.text(of: columns) }

  /// - Parameter columns: 1 to 15.
  package init(columns: [Column]) { self.columns = columns }
}

extension Column {
  /// As in an option: `tenant, -created, id`.
  static func text(of columns: [Column]) -> String {
    columns.map { ($0.isDescending ? "-" : "") + $0.name }.joined(separator: ", ")
  }
}
