// The files that the status_* keys name: what is wrong with one is said before anything trains, with its key and path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "certificates.h"
#include "core/error.h"
#include "status/pem.h"
#include "status/secrets.h"
#include "status/service_security.h"
#include "temporary_folder.h"

namespace fer_ddp {

namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class StatusKeys : public ::testing::Test {
 protected:
  StatusKeys() {
    config_.status_address = "0.0.0.0:0";
    config_.status_tls_certificate = file("service.pem", service_.certificate);
    config_.status_tls_key = file("service.key", service_.key);
    config_.status_tls_client_ca = file("clients.pem", authority_.certificate);
    config_.status_token_file = file("token", "c0ffee\nanother line\n");
  }

  // A file closed to others.
  std::string file(const std::string& name, const std::string& text) {
    const fs::path path = folder_.path() / name;
    std::ofstream(path) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    return path.string();
  }

  [[nodiscard]] std::string complaint() const {
    try {
      static_cast<void>(read_service_security(config_));
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.message();
    }
    return "no complaint";
  }

  TemporaryFolder folder_;
  const Identity authority_ = make_authority("test authority");
  const Identity service_ = make_signed_by(authority_, "DNS:localhost,IP:127.0.0.1");
  Config config_;
};

TEST_F(StatusKeys, AllOfThemTogetherAreRead) {
  const ServiceSecurity security = read_service_security(config_);
  EXPECT_EQ(security.tls->certificate, service_.certificate);
  EXPECT_EQ(security.tls->key, service_.key);
  EXPECT_EQ(security.tls->client_ca, authority_.certificate);
  EXPECT_EQ(security.token, "c0ffee");
}

TEST_F(StatusKeys, NoneOfThemAreNeededOnLoopback) {
  Config plain;
  const ServiceSecurity security = read_service_security(plain);
  EXPECT_FALSE(security.tls.has_value());
  EXPECT_TRUE(security.token.empty());
}

TEST_F(StatusKeys, OffTheNodeInTheClearIsRefusedNamingTheKeys) {
  config_.status_tls_certificate = config_.status_tls_key = config_.status_tls_client_ca = std::nullopt;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("status_address"), HasSubstr("in the clear"),
                                 HasSubstr("status_tls_certificate"), HasSubstr("status_tls_key")));
}

TEST_F(StatusKeys, OffTheNodeWithoutTokenOrClientCaIsRefused) {
  config_.status_token_file = config_.status_tls_client_ca = std::nullopt;
  EXPECT_THAT(complaint(), AllOf(HasSubstr("status_token_file"), HasSubstr("status_tls_client_ca")));
}

TEST_F(StatusKeys, HalfAPairIsRefused) {
  config_.status_tls_key = std::nullopt;
  EXPECT_THAT(complaint(), HasSubstr("status_tls_certificate is set, but status_tls_key is not"));
  config_.status_tls_key = std::exchange(config_.status_tls_certificate, std::nullopt);
  EXPECT_THAT(complaint(), HasSubstr("status_tls_key is set, but status_tls_certificate is not"));
  config_.status_tls_key = std::nullopt;
  EXPECT_THAT(complaint(), HasSubstr("status_tls_client_ca is set, but"));
}

TEST_F(StatusKeys, AFileThatIsNotThereIsNamedWithItsKey) {
  config_.status_tls_certificate = "absent.pem";
  EXPECT_THAT(complaint(), AllOf(HasSubstr("status_tls_certificate"), HasSubstr("absent.pem")));
}

TEST_F(StatusKeys, EachFileMustHoldWhatItsKeySays) {
  config_.status_tls_client_ca = file("no.pem", "nothing\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("status_tls_client_ca"), HasSubstr("no.pem"), HasSubstr("no certificate")));
  config_.status_tls_key = file("no.key", service_.certificate);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("status_tls_key"), HasSubstr("no.key"), HasSubstr("no private key")));
}

TEST_F(StatusKeys, ADamagedCertificateIsRefusedEvenBehindAGoodOne) {
  std::string damaged = authority_.certificate;
  damaged.replace(damaged.size() / 2, 8, "!!!!!!!!");
  config_.status_tls_certificate = file("chain.pem", service_.certificate + damaged);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("chain.pem"), HasSubstr("certificate 2 is damaged")));
}

TEST_F(StatusKeys, ADamagedKeyIsRefusedWithTheReason) {
  std::string damaged = service_.key;
  damaged.replace(damaged.size() / 2, 8, "!!!!!!!!");
  config_.status_tls_key = file("damaged.key", damaged);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("damaged.key"), HasSubstr("bad base64 decode")));
  config_.status_tls_key = file("cut.key", service_.key.substr(0, service_.key.size() / 2));
  EXPECT_THAT(complaint(), AllOf(HasSubstr("cut.key"), HasSubstr("bad end line")));
}

TEST_F(StatusKeys, AKeyBehindOtherBlocksIsTaken) {
  config_.status_tls_key = file("both.key", service_.certificate + service_.key);
  EXPECT_EQ(complaint(), "no complaint");
}

TEST_F(StatusKeys, AChainOfCertificatesIsTaken) {
  config_.status_tls_certificate = file("chain.pem", service_.certificate + authority_.certificate);
  EXPECT_EQ(complaint(), "no complaint");
}

TEST_F(StatusKeys, AnotherCertificatesKeyIsRefused) {
  config_.status_tls_key = file("other.key", make_authority("other").key);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("status_tls_key"), HasSubstr("other.key"), HasSubstr("service.pem")));
}

TEST_F(StatusKeys, AnEncryptedKeyIsRefusedRatherThanAskedAbout) {
  config_.status_tls_key = file("locked.key", encrypted(service_.key, "passphrase"));
  EXPECT_THAT(complaint(), HasSubstr("encrypted"));
}

TEST_F(StatusKeys, ACertificateThatDoesNotHoldNowIsRefused) {
  const Identity expired = make_signed_by(authority_, "DNS:localhost", Validity::kExpired);
  config_.status_tls_certificate = file("expired.pem", expired.certificate);
  config_.status_tls_key = file("expired.key", expired.key);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("expired.pem"), HasSubstr("expired on")));
  const Identity early = make_signed_by(authority_, "DNS:localhost", Validity::kNotYet);
  config_.status_tls_certificate = file("early.pem", early.certificate);
  EXPECT_THAT(complaint(), HasSubstr("holds from"));
  const Identity garbled = make_signed_by(authority_, "DNS:localhost", Validity::kGarbled);
  config_.status_tls_certificate = file("garbled.pem", garbled.certificate);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("garbled.pem"), HasSubstr("does not say in a known form")));
}

TEST_F(StatusKeys, ASecretThatOthersMayReadIsRefusedAsSshWould) {
  fs::permissions(*config_.status_token_file, fs::perms::group_read, fs::perm_options::add);
  const std::string message = complaint();
  EXPECT_THAT(message, AllOf(HasSubstr("status_token_file"), HasSubstr("0640"), HasSubstr("chmod 600")));
  EXPECT_THAT(message, ::testing::Not(HasSubstr("c0ffee")));
  fs::permissions(*config_.status_tls_key, fs::perms::others_read, fs::perm_options::add);
  EXPECT_THAT(complaint(), AllOf(HasSubstr("status_tls_key"), HasSubstr("open to others")));
}

TEST_F(StatusKeys, AnEmptyTokenIsRefused) {
  for (const char* text : {"", "\n", "  \r\n", "\nc0ffee\n"}) {
    config_.status_token_file = file("empty", text);
    EXPECT_THAT(complaint(), HasSubstr("first line of")) << text;
  }
}

TEST_F(StatusKeys, ATokenThatNoHeaderCanHoldIsRefusedUnseen) {
  for (const char* text : {"two words", "tab\there", "na\xc3\xafve"}) {
    config_.status_token_file = file("odd", text);
    EXPECT_THAT(complaint(), AllOf(HasSubstr("no token"), ::testing::Not(HasSubstr(text))));
  }
}

TEST_F(StatusKeys, TheLineEndingsOfOtherSystemsAreNotPartOfAToken) {
  EXPECT_EQ(read_token_file("--token-file", file("windows", "c0ffee\r\n")), "c0ffee");
}

TEST(CertificateNames, AreThoseItWasMadeFor) {
  const Identity authority = make_authority("the authority");
  const Identity service = make_signed_by(authority, "DNS:node1,IP:10.0.0.1,IP:::1");
  EXPECT_THAT(certificate_names(parse_certificates("a test", "", service.certificate)),
              ::testing::ElementsAre("node1", "10.0.0.1", "::1"));
  EXPECT_THAT(certificate_names(parse_certificates("a test", "", authority.certificate)),
              ::testing::ElementsAre("the authority"));
}

TEST(CertificateNames, AnAddressOfNoKnownLengthIsNotReadBeyondItsEnd) {
  // GeneralNames with one iPAddress of five bytes: reading sixteen would go beyond it.
  const Identity service = make_signed_by(make_authority("the authority"), "DER:300787057F00000001");
  EXPECT_THAT(certificate_names(parse_certificates("a test", "", service.certificate)),
              ::testing::ElementsAre("fer-ddp test"));
}

}  // namespace

}  // namespace fer_ddp
