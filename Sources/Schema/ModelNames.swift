/// The names that are made from a model's name.
enum ModelNames {
  static let query = "IndexQuery"
  static let empty = "Empty"
  static let keyField = "pk"
  /// The message with writes to any models, made together, and its method.
  static let transaction = "Transaction"
  static let transact = "Transact"
  /// The message in ``transaction`` that answers it.
  static let result = "Result"

  /// What the gRPC plugins of single languages put beside the messages for the service.
  static func clientNames(service: String) -> [(name: String, language: String)] {
    [
      (service + "Client", "Go"), (service + "Server", "Go"),
      ("Unimplemented\(service)Server", "Go"), ("Unsafe\(service)Server", "Go"),
      (service + "Grpc", "Java"),
    ]
  }

  static func plural(_ name: String) -> String { name + "s" }

  /// A field that is called like its message is a constructor to C++: the list `dogs` of the model
  /// `dog` has the field `dogs_`, which JSON calls `dogs`.
  ///
  /// - Parameter plural: when the schema says it; nil makes one of the name.
  static func listField(_ name: String, plural: String? = nil) -> String {
    let field = plural.map { words($0) } ?? words(name) + "s"
    return field == plural ?? self.plural(name) ? field + "_" : field
  }

  /// A field that is called after a model: `dog_tag`.
  static func field(_ name: String) -> String { words(name) }

  private static func words(_ name: String) -> String {
    let words = snakeCase(name)
    // A name of underscores and digits alone leaves nothing that an identifier could begin with.
    let isIdentifier = words.utf8.first.map { $0 < UInt8(ascii: "0") || $0 > UInt8(ascii: "9") }
    return isIdentifier == true || words.isEmpty ? words : "_" + words
  }

  /// Whether a name that the schema gives can be one, or a part of one: `[A-Za-z][A-Za-z0-9_]*`, at most 255 bytes.
  static func isName(_ text: String) -> Bool {
    text.utf8.allSatisfy { byte in
      isUppercase(byte) || isLowercase(byte) || byte == UInt8(ascii: "_")
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    } && text.utf8.first.map { isUppercase($0) || isLowercase($0) } == true
      && text.utf8.count <= ModelRules.nameLimit
  }

  /// Whether a model can have the name: `[A-Za-z_][A-Za-z0-9_]*`, at most 255 bytes.
  static func isMessageName(_ text: String) -> Bool {
    isName(text) || text.utf8.first == UInt8(ascii: "_") && isName("m" + text.dropFirst())
  }

  /// What is wrong with a plural that the schema gives; nil when it is fine.
  static func problem(withPlural plural: String, of name: String) -> String? {
    guard isName(plural) else {
      return
        "the plural \"\(plural.prefix(40))\" of model \(name) is no name of a message: write letters, digits "
        + "and _, a letter first, at most \(ModelRules.nameLimit)"
    }
    return plural == name
      ? "the plural of model \(name) is its name, which is a message already: give another one"
      : nil
  }

  /// The number of a model's field in a transaction: one that another schema with the model has as well, whatever else
  /// is in it.
  ///
  /// - Parameter fullName: that of the model, or the one it had before.
  static func transactionNumber(_ fullName: String) -> UInt32 {
    // FNV-1a (draft-eastlake-fnv), after the numbers that protobuf keeps for itself.
    var hash: UInt32 = 0x811c_9dc5
    for byte in fullName.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    return firstTransactionNumber + hash % ((1 << 29) - firstTransactionNumber)
  }

  private static let firstTransactionNumber: UInt32 = 20_000

  /// The message in the list message that names one record.
  static let key = "Key"
  /// The message in the list message that chooses records by the columns of their key.
  static let byPk = "ByPk"
  /// The message in the list message that is a write with a condition, and the one that answers it.
  static let write = "Write"
  static let written = "Written"
  /// The enum in ``write`` that says what the answer has.
  static let returning = "Returning"

  /// The messages in the list message of a model that is watched: a request, an answer, and one change of it.
  static let watch = "Watch"
  static let changes = "Changes"
  static let change = "Change"
  /// The enum in ``change`` that says what became of the record.
  static let kind = "Kind"

  /// The methods of a model; those of its indexes are with the indexes.
  static func methods(name: String, plural: String, isWatched: Bool) -> [String] {
    let watch = isWatched ? [watchMethod(plural: plural)] : []
    return watch + [
      getOneMethod(name: name), getMethod(plural: plural), streamMethod(plural: plural),
      deleteMethod(plural: plural), putMethod(name: name), batchPutMethod(plural: plural),
      writeMethod(name: name),
    ]
  }

  static func getOneMethod(name: String) -> String { "Get\(name)" }
  static func getMethod(plural: String) -> String { "Get\(plural)ByPk" }
  static func streamMethod(plural: String) -> String { "Stream\(plural)ByPk" }
  static func deleteMethod(plural: String) -> String { "Delete\(plural)ByPk" }
  static func putMethod(name: String) -> String { "Put\(name)" }
  static func batchPutMethod(plural: String) -> String { "BatchPut\(plural)" }
  static func writeMethod(name: String) -> String { "Write\(name)" }
  static func watchMethod(plural: String) -> String { "Watch\(plural)" }

  /// `breed_age` → `BreedAge`, as in `GetDogsByBreedAge`. Letters within a word stay as they are.
  static func camelCase(_ name: String) -> String {
    name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }

  /// `HTTPServer` → `http_server`, `DogTag` and `Dog_Tag` → `dog_tag`, `Dog2` → `dog2`.
  ///
  /// A word begins at an upper-case letter after a lower-case one, and at the last of a run of
  /// upper-case letters when a lower-case one follows. Digits go on with the word they are in and
  /// count as letters of its case: `X509Cert` → `x509_cert`.
  static func snakeCase(_ name: String) -> String {
    let letters = Array(name.utf8)
    var result: [UInt8] = []
    var lastCase: LetterCase?
    for (index, letter) in letters.enumerated() {
      if letter == UInt8(ascii: "_") {
        if let last = result.last, last != UInt8(ascii: "_") { result.append(letter) }
        lastCase = nil
      } else if isUppercase(letter) {
        let precedesLowercase = index + 1 < letters.count && isLowercase(letters[index + 1])
        if lastCase == .lower || (lastCase == .upper && precedesLowercase) {
          result.append(UInt8(ascii: "_"))
        }
        lastCase = .upper
        result.append(letter | 0x20)
      } else {
        if isLowercase(letter) { lastCase = .lower }
        result.append(letter)
      }
    }
    while result.last == UInt8(ascii: "_") { result.removeLast() }
    return String(decoding: result, as: UTF8.self)
  }

  private enum LetterCase { case lower, upper }

  /// Names equal in this form differ only by case or underscores.
  static func folded(_ name: String) -> String {
    name.filter { $0 != "_" }.lowercased()
  }

  private static func isUppercase(_ letter: UInt8) -> Bool {
    letter >= UInt8(ascii: "A") && letter <= UInt8(ascii: "Z")
  }

  private static func isLowercase(_ letter: UInt8) -> Bool {
    letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z")
  }
}
