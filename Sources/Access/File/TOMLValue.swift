import Platform

/// A value of a TOML file.
enum TOMLValue: Equatable {
  case string(String)
  case strings([TOMLString])
  case time(Timestamp)
  case boolean(Bool)
}

/// A string in an array, with where it begins.
struct TOMLString: Equatable {
  let text: String
  let place: SourcePlace
}

/// `key = value`.
struct TOMLEntry: Equatable {
  let key: String
  let keyPlace: SourcePlace
  let value: TOMLValue
  let valuePlace: SourcePlace
}

/// What comes after a header `[[name]]`, up to the next one.
struct TOMLTable: Equatable {
  let name: String
  let place: SourcePlace
  var entries: [TOMLEntry] = []

  func entry(_ key: String) -> TOMLEntry? { entries.first { $0.key == key } }
}
