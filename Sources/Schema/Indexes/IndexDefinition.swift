import SwiftProtobuf

/// Makes a ``ModelIndex`` of what a schema says.
struct IndexDefinition {
  typealias Problem = KeyDefinition.Problem

  private let paths: FieldPaths
  private let key: ModelKey
  private let types: MessageTypes

  /// - Parameters:
  ///   - message: the model's.
  ///   - key: the model's.
  ///   - types: all that its fields may have.
  init(_ message: Google_Protobuf_DescriptorProto, key: ModelKey, types: MessageTypes) {
    paths = FieldPaths(message: message, types: types)
    self.key = key
    self.types = types
  }

  /// How a sentence calls an index that could not be made: by its name, or by its fields.
  static func subject(_ option: IndexOption) -> String {
    ModelNames.isName(option.name)
      ? "index \(option.name)" : "the index on \"\(option.fields.prefix(200))\""
  }

  func index(_ option: IndexOption) throws(Problem) -> ModelIndex {
    let columns = try columns(of: option.fields)
    return ModelIndex(
      name: try name(option.name, of: columns), columns: columns, isUnique: option.isUnique,
      isSparse: option.isSparse, inclusion: try inclusion(option.include, beside: columns))
  }

  /// The field that says when a record ends; the problem's subject is the option.
  func expiry(_ name: String) throws(Problem) -> Column {
    let steps = try paths.steps(to: name, for: .column)
    guard steps.count == 1 else {
      throw Problem(text: "names `\(name)`: name a field of the model itself")
    }
    let step = steps[0]
    guard !step.isRepeated else {
      throw Problem(text: "names `\(name)`, which is repeated: a record ends once")
    }
    guard let kind = ColumnKind(step.field), kind.isMoment else {
      throw Problem(
        text:
          "names `\(name)` of type \(FieldKind.name(of: step.field)): take a google.protobuf.Timestamp, or an "
          + "integer, which counts seconds since 1970")
    }
    return Column(
      name: name, path: [step.number], kind: kind, isDescending: false,
      hasPresence: step.hasPresence, typeName: "")
  }

  // MARK: - Columns

  private func columns(of text: String) throws(Problem) -> [Column] {
    guard text.contains(where: { $0 != " " }) else {
      throw Problem(text: "names no field: name one or more, with commas between them")
    }
    var columns: [Column] = []
    for word in KeyDefinition.words(of: text) {
      let isDescending = word.first == "-"
      let column = try column(
        isDescending ? String(word.dropFirst()) : word, isDescending: isDescending)
      if let problem = Self.problem(with: column, beside: columns) { throw problem }
      columns.append(column)
    }
    guard columns.count <= ModelKey.maximumColumns else {
      throw Problem(text: KeyDefinition.tooMany(columns.count))
    }
    return columns
  }

  private func column(_ name: String, isDescending: Bool) throws(Problem) -> Column {
    let steps = try paths.steps(to: name, for: .column)
    guard let last = steps.last else { throw Problem(text: KeyDefinition.emptyName) }
    guard let kind = ColumnKind(last.field) else {
      throw Problem(text: paths.problem(withMessage: last, named: name))
    }
    if kind == .enumeration && !types.isOpenEnum(last.field.typeName) {
      throw Problem(
        text:
          "names `\(name)`, whose enum is of proto2, and has no place in a query of proto3: leave it out, or declare "
          + "the enum in a file of proto3")
    }
    let repeated = steps.indices.filter { steps[$0].isRepeated }
    guard repeated.count <= 1 else {
      let names = repeated.prefix(2).map { "`\(FieldPaths.prefix(of: name, through: $0))`" }
      throw Problem(
        text:
          "names `\(name)`, which passes two repeated fields, \(names.joined(separator: " and ")): "
          + "an index has the elements of one; name a field with one on its way")
    }
    return Column(
      name: name, path: steps.map(\.number), repeatedStep: repeated.first, kind: kind,
      isDescending: isDescending, hasPresence: last.hasPresence,
      typeName: kind == .enumeration ? last.field.typeName : "")
  }

  private static func problem(with column: Column, beside columns: [Column]) -> Problem? {
    let (name, queryName) = (column.name, column.queryName)
    let spelling = name == queryName ? "" : ", which is `\(queryName)` in a query"
    if columns.contains(where: { $0.path == column.path }) {
      return Problem(text: "names field `\(name)` twice: name it once")
    }
    if QueryProto.isOptionName(queryName) {
      return Problem(
        text: spelling.isEmpty
          ? "names field `\(name)`, which every query has for itself: give the field another name"
          : "names `\(name)`\(spelling), and every query has that for itself: give a field on its way another name"
      )
    }
    // protoc compares the names of fields so, since JSON writes them without underscores.
    let folded = ModelNames.folded(queryName)
    if let other = columns.first(where: { ModelNames.folded($0.queryName) == folded }) {
      let what =
        other.queryName == queryName ? "both `\(queryName)`" : "alike but for case and underscores"
      return Problem(
        text:
          "names `\(other.name)` and `\(name)`, which are \(what) in a query: give one of the fields another name"
      )
    }
    if let repeated = column.repeatedField,
      let other = columns.lazy.compactMap(\.repeatedField).first(where: { $0.path != repeated.path }
      )
    {
      return Problem(
        text:
          "has two repeated fields, `\(other.name)` and `\(repeated.name)`: an index has the elements of one; make "
          + "an index for each")
    }
    return nil
  }

  // MARK: - Name

  private func name(_ given: String, of columns: [Column]) throws(Problem) -> String {
    let name =
      given.isEmpty ? columns.map(\.queryName).joined(separator: "_") : given
    guard ModelNames.isName(name) else {
      let (short, rule) = (
        name.prefix(40), "letters, digits and _, a letter first, at most \(ModelRules.nameLimit)"
      )
      throw Problem(
        text: given.isEmpty
          ? "would be called \"\(short)\", which is no name: give it one of \(rule)"
          : "has the name \"\(short)\": write \(rule)")
    }
    guard "By\(ModelNames.camelCase(name))" != ModelNames.byPk else {
      throw Problem(
        text:
          "would be called \(name), and its queries \(ModelNames.byPk), as those by the key are: give it another name"
      )
    }
    return name
  }

  // MARK: - What entries include

  private func inclusion(
    _ text: String, beside columns: [Column]
  ) throws(Problem) -> ModelIndex.Inclusion {
    guard text.contains(where: { $0 != " " }) else { return .none }
    let words = KeyDefinition.words(of: text)
    if words == ["*"] { return .everything }
    var found: [ModelIndex.Path] = []
    for word in words {
      guard word != "*" else {
        throw Problem(
          text: "includes `*` beside other fields: write `*` alone for the whole record")
      }
      let steps = try paths.steps(to: word, for: .inclusion)
      found.append(ModelIndex.Path(name: word, numbers: steps.map(\.number)))
    }
    // An entry has these anyway; of a repeated field it has one element.
    var covered = (key.columns + columns.filter { $0.repeatedStep == nil }).map(\.path)
    // What is around a path comes before it.
    found.sort { $0.numbers.lexicographicallyPrecedes($1.numbers) }
    found.removeAll { path in
      guard !covered.contains(where: { path.numbers.starts(with: $0) }) else { return true }
      covered.append(path.numbers)
      return false
    }
    return found.isEmpty ? .none : .paths(found)
  }
}

extension Column {
  /// The repeated field on the way.
  fileprivate var repeatedField: (name: String, path: ArraySlice<UInt32>)? {
    repeatedStep.map { (FieldPaths.prefix(of: name, through: $0), path[...$0]) }
  }
}
