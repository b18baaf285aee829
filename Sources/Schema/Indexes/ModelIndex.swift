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

  /// Whether a record may have several entries.
  package var hasElements: Bool { columns.contains { $0.repeatedStep != nil } }

  /// As in the option: `breed, -age`.
  package var text: String { Column.text(of: columns) }

  /// - Parameter columns: 1 to 15.
  package init(
    name: String, columns: [Column], isUnique: Bool, isSparse: Bool, inclusion: Inclusion
  ) {
    self.name = name
    self.columns = columns
    self.isUnique = isUnique
    self.isSparse = isSparse
    self.inclusion = inclusion
  }
}
