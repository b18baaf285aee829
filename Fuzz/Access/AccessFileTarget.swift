import Access

/// An access file: what is taken grants only to whom it names, and what is refused says where.
enum AccessFileTarget: FuzzTarget {
  static let name = "access-file"
  static let maximumBytes = 4096

  private static let models = [
    AccessModel(name: "Dog", fullName: "database.Dog"),
    AccessModel(name: "Tag", fullName: "database.Tag"),
  ]

  static func seeds() throws -> [[UInt8]] {
    let role = "[[role]]\nname = \"vet\"\nallow = [\"Dog: read, write\", '*: watch']\n"
    let hash = String(repeating: "0a", count: 32)
    let token = "[[token]]\nid = \"a\"\nsha256 = \"\(hash)\"\nroles = [\"vet\"]\n"
    return [
      role + token, role + token + "expires = 2027-01-01T00:00:00Z\n",
      "[[role]]\nname = \"a\"\nallow = [\n\"admin\", # all\n]\n[[certificate]]\nsan = \"DNS:a\"\nroles = [\"a\"]\n",
      "[[role]]\nname = \"\\u00e9\\\"\"\nallow = []\n",
    ].map { Array($0.utf8) }
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    let file = Array(bytes)
    do throws(AccessError) {
      let policy = try AccessPolicy(file, path: "f", models: models)
      require(policy.principalCount > 0, "a file that is taken knows somebody")
      for nobody in 0..<3 as Range<UInt32> {
        require(!(0..<8).contains { policy.permits(nobody, bit: $0) }, "nobody has no rights")
      }
      let again = try AccessPolicy(file, path: "f", models: models, previous: policy)
      for number in 3..<UInt32(3 + policy.principalCount) {
        require(policy.principal(number) == again.principal(number), "numbers stay")
        require(policy.principal(number) != nil, "numbers have no gaps")
      }
    } catch {
      guard case .wrong(_, let problems) = error else { return }
      let lineCount = 1 + file.count { $0 == UInt8(ascii: "\n") }
      for problem in problems {
        require(
          (1...lineCount).contains(problem.place.line) && problem.place.column >= 1
            && problem.place.column <= file.count + 1, "a problem is in the file")
        require(!problem.sentence.contains("\n"), "a problem is one line")
      }
    }
  }
}
