import LSM

/// The bytes of a footer.
///
///     0   1 bit: whether magic, version, flags and checksum are made right
///         1 bit: whether the size of the file is what the footer says
///     1   the file's size, 8 bytes
///     9   the footer
enum FooterTarget: FuzzTarget {
  static let name = "footer"
  static let maximumBytes = 9 + Footer.byteCount + 1

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let control = input.byte()
    var size = input.number()
    var footer = input.remaining()
    if footer.count == Footer.byteCount {
      if control & 1 != 0 { TableSealing.sealFooter(&footer, at: 0) }
      if control & 2 != 0 { size = footer.littleEndian(UInt64.self, at: 16) }
    }
    let result = footer.withUnsafeBytes { bytes in
      Result { () throws(LSMError) in
        try Footer(decoding: bytes, fileBytes: size, path: TableFixture.path)
      }
    }
    let decoded: Footer
    switch result {
    case .success(let footer): decoded = footer
    case .failure(let error): return TablePromises.check(error)
    }
    require(decoded.encoded() == footer, "a footer has one form")
    require(decoded.fileBytes == size, "a footer knows its file's size")
    let handles = [decoded.index, decoded.properties, decoded.filter, decoded.rangeTombstones]
    for handle in handles.compactMap({ $0 }) {
      let (end, overflows) = handle.offset.addingReportingOverflow(handle.byteCount)
      require(
        !overflows && end <= size - UInt64(Footer.byteCount), "all parts lie before the footer")
    }
  }

  static func seeds() throws -> [[UInt8]] {
    try TableSeeds.fixtures.flatMap { fixture -> [[UInt8]] in
      let bytes = fixture.bytes
      let footer = bytes.suffix(Footer.byteCount)
      var size: [UInt8] = []
      size.append(littleEndian: UInt64(bytes.count).bigEndian)
      return (0..<4).map { [$0] + size + footer }
    }
  }
}
