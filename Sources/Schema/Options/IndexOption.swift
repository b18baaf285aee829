import SwiftProtobuf

/// An index as a schema asks for it.
struct IndexOption: Equatable {
  /// Where the schema does.
  enum Place: Equatable {
    /// In the message's option, as which one of its indexes.
    case model(Int)
    /// In the option of a field of the message: which one of its fields.
    case field(Int)
  }

  let place: Place
  /// `breed, -age`
  private(set) var fields = ""
  /// Empty: made of the fields.
  private(set) var name = ""
  private(set) var isUnique = false
  private(set) var isSparse = false
  /// `name, photo.url`, `*`, or nothing.
  private(set) var include = ""

  /// Reads a `seandb.Index`.
  init(_ bytes: [UInt8], at place: Place) throws(ModelOptions.Failure) {
    self.place = place
    for field in try ModelOptions.fields(of: bytes) {
      switch OptionsFile.IndexField(rawValue: UInt32(field.number)) {
      case .fields: fields = try field.text()
      case .name: name = try field.text()
      case .unique: isUnique = try field.flag()
      case .sparse: isSparse = try field.flag()
      case .include: include = try field.text()
      case nil: throw .unknownIndexField(field.number)
      }
    }
  }

  /// What the option of a field asks for; nil when it asks for nothing.
  ///
  /// - Parameter index: which one of its message's fields it is.
  init?(
    _ field: Google_Protobuf_FieldDescriptorProto, at index: Int
  ) throws(ModelOptions.Failure) {
    guard field.hasOptions, let options = try FieldOptions(field.options), options.hasIndex else {
      return nil
    }
    place = .field(index)
    fields = field.name
    isUnique = options.isUnique
  }
}
