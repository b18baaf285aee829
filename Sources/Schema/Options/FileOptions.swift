import SwiftProtobuf

/// What a schema's file says of itself with `option (seandb.file)`.
struct FileOptions: Equatable {
  /// Models that are gone, and whose records may go; in their order.
  private(set) var dropped: [String] = []

  init() {}

  /// Reads them among all options of a file; those of others are left alone.
  init(_ options: Google_Protobuf_FileOptions) throws(ModelOptions.Failure) {
    for part in try ModelOptions.parts(of: options) {
      for field in try ModelOptions.fields(of: part) {
        switch OptionsFile.FileField(rawValue: UInt32(field.number)) {
        case .dropped: dropped.append(try field.text())
        case nil: throw .unknownField(field.number)
        }
      }
    }
  }
}
