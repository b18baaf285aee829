import SwiftProtobuf

/// What a field says of itself with `[(seandb.field) = …]`.
struct FieldOptions: Equatable {
  /// Whether there is an index on the field.
  private(set) var hasIndex = false
  /// Whether that one is unique.
  private(set) var isUnique = false

  /// Reads them among all options of a field; nil when it has none of seandb's.
  init?(_ options: Google_Protobuf_FieldOptions) throws(ModelOptions.Failure) {
    let parts = try ModelOptions.parts(of: options)
    guard !parts.isEmpty else { return nil }
    for part in parts {
      for field in try ModelOptions.fields(of: part) {
        switch OptionsFile.FieldField(rawValue: UInt32(field.number)) {
        case .index: hasIndex = try field.flag()
        case .unique: isUnique = try field.flag()
        case nil: throw .unknownField(field.number)
        }
      }
    }
    hasIndex = hasIndex || isUnique
  }
}
