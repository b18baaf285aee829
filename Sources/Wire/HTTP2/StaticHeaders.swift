import CNghttp2

// SAFETY: the fields are never freed, and the text of a `StaticString` is never either. nghttp2 does not write through
// the pointers of a field, whatever their type says.

/// Header fields that never change, as nghttp2 wants them: allocated once, never freed, not copied.
@safe
struct StaticHeaders: @unchecked Sendable {
  // SAFETY: the memory is written once here and only read afterwards, by any thread.
  static let shared = StaticHeaders()

  /// `:status 200`, `content-type application/grpc`.
  let responseHeaders: UnsafeMutablePointer<nghttp2_nv>
  /// The same, and `grpc-encoding gzip`.
  let gzipResponseHeaders: UnsafeMutablePointer<nghttp2_nv>
  /// `grpc-status 0`.
  let okTrailers: UnsafeMutablePointer<nghttp2_nv>

  private init() {
    unsafe responseHeaders = .allocate(capacity: 2)
    unsafe responseHeaders.initialize(to: Self.field(":status", "200"))
    unsafe (responseHeaders + 1).initialize(to: Self.field("content-type", "application/grpc"))
    unsafe gzipResponseHeaders = .allocate(capacity: 3)
    unsafe gzipResponseHeaders.initialize(from: responseHeaders, count: 2)
    unsafe (gzipResponseHeaders + 2).initialize(to: Self.field("grpc-encoding", "gzip"))
    unsafe okTrailers = .allocate(capacity: 1)
    unsafe okTrailers.initialize(to: Self.field("grpc-status", "0"))
  }

  private static func field(_ name: StaticString, _ value: StaticString) -> nghttp2_nv {
    unsafe nghttp2_nv(
      name: UnsafeMutablePointer(mutating: name.utf8Start),
      value: UnsafeMutablePointer(mutating: value.utf8Start),
      namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
      flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
  }

  /// Calls `body` with fields built from arrays; nghttp2 copies them when they are submitted.
  ///
  /// Values of one call differ from those of the next, so they stay out of the peer's HPACK table.
  @safe
  static func withFields<R>(
    _ fields: [(StaticString, [UInt8])], _ metadata: [ResponseMetadata.Field] = [],
    _ body: (UnsafeMutablePointer<nghttp2_nv>, Int) -> R
  ) -> R {
    let values = fields.flatMap(\.1) + metadata.flatMap { $0.name + $0.value }
    return unsafe values.withUnsafeBufferPointer { values in
      // nghttp2 takes no nil pointer, not even for an empty value.
      let start = unsafe UnsafeMutablePointer(
        mutating: values.baseAddress ?? StaticString("").utf8Start)
      var offset = 0
      var vectors: [nghttp2_nv] = unsafe []
      for (name, value) in fields {
        unsafe vectors.append(
          nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name.utf8Start), value: start + offset,
            namelen: name.utf8CodeUnitCount, valuelen: value.count,
            flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_INDEX.rawValue))
        )
        offset += value.count
      }
      for field in metadata {
        unsafe vectors.append(
          nghttp2_nv(
            name: start + offset, value: start + offset + field.name.count,
            namelen: field.name.count, valuelen: field.value.count,
            flags: UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)))
        offset += field.name.count + field.value.count
      }
      return unsafe vectors.withUnsafeMutableBufferPointer {
        unsafe body($0.baseAddress!, $0.count)
      }
    }
  }
}
