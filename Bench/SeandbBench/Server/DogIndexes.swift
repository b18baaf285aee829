/// The indexes on the dogs of a seandb that is measured.
package enum DogIndexes: CaseIterable, Sendable {
  case none
  /// On the breed, which `--range-records` dogs share.
  case one
  /// On breed and chip.
  case two
  /// On breed, chip, and age with breed.
  case three
  /// On the breed with the whole record in the entries, and on the chip, which is unique.
  case covered

  /// As `option (seandb.model)` has them.
  private var options: [String] {
    switch self {
    case .none: []
    case .one: [#"fields: "breed""#]
    case .two: Self.one.options + [#"fields: "chip""#]
    case .three: Self.two.options + [#"fields: "age, breed""#]
    case .covered: [#"fields: "breed", include: "*""#, #"fields: "chip", unique: true"#]
    }
  }

  /// What a server with them can be asked for.
  package var operations: Set<Operation> {
    switch self {
    case .none: SeandbDialect.plainOperations
    case .one, .two, .three: SeandbDialect.plainOperations.union([.indexGet])
    case .covered: SeandbDialect.operations
    }
  }

  /// The file that `seandb create` makes a server of.
  ///
  /// - Parameter hasGroups: whether records have the fields that indexes are on (``RecordGroups``). Without, it is the
  ///   seed's schema.
  package func schema(hasGroups: Bool) -> String {
    precondition(hasGroups || self == .none, "records have the fields that indexes are on")
    let head = self == .none ? "" : "import \"seandb/options.proto\";\n"
    let indexes = options.map { "    index: {\($0)}\n" }.joined()
    let option = self == .none ? "" : "  option (seandb.model) = {\n\(indexes)  };\n"
    let chip = hasGroups ? "  string chip = 5;\n" : ""
    return """
      syntax = "proto3";
      package database;
      \(head)
      message Dog {
      \(option)  string pk = 1;
        string name = 2;
        uint32 age = 3;
        string breed = 4;
      \(chip)}

      """
  }
}
