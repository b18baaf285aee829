package import Schema

/// What a store has that earlier programs would misread: the highest one that it ever had.
///
/// A program refuses a store of a higher format than it knows (docs/decisions/0036-format-of-a-directory.md).
package enum StoreFormat: UInt32, Comparable, Sendable {
  /// Schemas without options.
  case plain = 1
  /// Options of `seandb/options.proto`: typed keys, indexes, renamed models.
  case options = 2
  /// Records that end by themselves.
  case expiry = 3
  /// Changes that are kept.
  case changes = 4

  /// The newest one that this program reads and writes.
  package static let newest = changes

  package static func < (first: StoreFormat, second: StoreFormat) -> Bool {
    first.rawValue < second.rawValue
  }

  /// In the marker of the data directory, whose formats 1 and 2 had another reason.
  package var markerFormat: Int { Int(rawValue) + 2 }

  /// What a schema needs.
  package init(of schema: CompiledSchema) {
    if schema.models.contains(where: { $0.watch != nil }) {
      self = .changes
    } else if schema.models.contains(where: { $0.expiry != nil }) {
      self = .expiry
    } else {
      self = schema.hasOptions ? .options : .plain
    }
  }
}
