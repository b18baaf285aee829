/// A way to find the records of a model by other fields than their key.
package struct ModelIndex: Sendable, Equatable {
  /// Of a model, at most.
  package static let maximumCount = 64
  /// Elements of its repeated field that a record may have, at most.
  package static let maximumElements = 1000

  /// What an entry has of its record beside the key and the columns.
  package enum Inclusion: Sendable, Equatable {
    case none
    /// These fields as well. Sorted, none within another one.
    case paths([Path])
    /// The whole record.
    case everything
  }

  /// A field that an entry includes.
  package struct Path: Sendable, Equatable {
    /// With dots between the fields on the way.
    package let name: String
    /// The numbers of the fields on the way; 1 or more.
    package let numbers: [UInt32]

    /// - Parameter numbers: not empty.
    package init(name: String, numbers: [UInt32]) {
      self.name = name
      self.numbers = numbers
    }
  }

  /// Of the schema, or made of its columns: `breed_age`.
  package let name: String
  /// From the first one that orders on; 1 to 15. Those below a repeated field have the same one.
  package let columns: [Column]
  /// Whether no two records have the same values. A record with an unset column is left out of it.
  package let isUnique: Bool
  /// Whether a record with an unset column has no entry; a default without presence counts as unset.
  package let isSparse: Bool
  /// What an entry has of its record.
  package let inclusion: Inclusion

  /// Whether it is the one by which records are found that have ended. It has no methods, and no entries of records
  /// that never end.
  package let isExpiry: Bool

  /// Whether a record may have several entries.
  package var hasElements: Bool { columns.contains { $0.repeatedStep != nil } }

  /// As in the option: `breed, -age`.
  package var text: String { Column.text(of: columns) }

  /// The one by which records are found that have ended.
  package init(expiry column: Column) {
    self.init(
      name: "expires", columns: [column], isUnique: false, isSparse: true, inclusion: .none,
      isExpiry: true)
  }

  /// The same with one more field in what an entry includes, when it includes fields and not that one: whether a record
  /// has ended has to be seen in its entry.
  package func including(_ column: Column, besideKey key: ModelKey) -> ModelIndex {
    guard case .paths(let paths) = inclusion else { return self }
    let covered = (key.columns + columns.filter { $0.repeatedStep == nil }).map(\.path)
    guard !(covered + paths.map(\.numbers)).contains(where: { column.path.starts(with: $0) }) else {
      return self
    }
    let added = Path(name: column.name, numbers: column.path)
    // What is within it is included by it.
    let left = paths.filter { !$0.numbers.starts(with: column.path) }
    return ModelIndex(
      name: name, columns: columns, isUnique: isUnique, isSparse: isSparse,
      inclusion: .paths(
        (left + [added]).sorted { $0.numbers.lexicographicallyPrecedes($1.numbers) }))
  }

  /// - Parameter columns: 1 to 15.
  package init(
    name: String, columns: [Column], isUnique: Bool, isSparse: Bool, inclusion: Inclusion,
    isExpiry: Bool = false
  ) {
    self.name = name
    self.columns = columns
    self.isUnique = isUnique
    self.isSparse = isSparse
    self.inclusion = inclusion
    self.isExpiry = isExpiry
  }
}
