import Platform
import Testing

@Suite("Timestamp") struct TimestampTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2027-01-01T00:00:00Z", 1_798_761_600),
      ("2000-02-29T23:59:59Z", 951_868_799), ("1969-12-31T23:59:59Z", -1),
      ("0000-03-01T00:00:00Z", -62_162_035_200), ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] as [(String, Int64)])
  func readsAndWrites(_ text: String, _ seconds: Int64) {
    #expect(Timestamp(text)?.seconds == seconds)
    #expect(Timestamp(seconds: seconds).text == text)
  }

  @Test(arguments: [
    "2027-01-01t00:00:00z", "2027-01-01 00:00:00Z", "2027-01-01T00:00:00.999Z",
    "2027-01-01T01:30:00+01:30", "2026-12-31T23:00:00-01:00",
  ])
  func readsOtherSpellings(_ text: String) {
    #expect(Timestamp(text)?.text == "2027-01-01T00:00:00Z")
  }

  @Test(arguments: [
    "", "2027", "2027-01-01", "2027-01-01T00:00:00", "2027-13-01T00:00:00Z", "2027-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z", "2027-01-00T00:00:00Z", "2027-01-01T24:00:00Z", "2027-01-01T00:60:00Z",
    "2027-01-01T00:00:60Z", "2027-01-01T00:00:00.Z", "2027-01-01T00:00:00+1:00",
    "2027-01-01T00:00:00Zx",
    "2027-01-01T00:00:00+24:00", "+027-01-01T00:00:00Z", "2027/01/01T00:00:00Z",
    "2027-01-01T00:00:00+01:0é",
  ])
  func refuses(_ text: String) { #expect(Timestamp(text) == nil) }

  @Test func readsEachDayThatItWrites() {
    for day in stride(from: -800_000 as Int64, to: 3_000_000, by: 97)
    where day > -719_000 && day < 2_900_000 {
      let moment = Timestamp(seconds: day * 86400 + day & 0xFFFF)
      #expect(Timestamp(moment.text) == moment)
    }
    #expect(Timestamp.coarse() > Timestamp(seconds: 1_700_000_000))
  }
}
