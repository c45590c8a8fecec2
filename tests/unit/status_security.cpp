// Who gets in at the status service and who does not, through its real client, over loopback, with certificates made
// here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "certificates.h"
#include "core/error.h"
#include "fer_ddp/v1/status.grpc.pb.h"
#include "grpc_calls.h"
#include "status/client.h"
#include "status/secrets.h"
#include "status/server.h"

namespace fer_ddp {

namespace {

using ::testing::HasSubstr;

constexpr const char* kToken = "c0ffee";
const std::string kHere = "IP:127.0.0.1";

// What goes wrong, as a person reads it; it must be the user's to mend.
std::string complaint(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2) << error.message();
    return error.message();
  }
  return "no complaint";
}

std::string complaint_of(StatusClient& client) {
  return complaint([&] { static_cast<void>(client.status()); });
}

class SecureService : public ::testing::Test {
 protected:
  StatusServer serve(const ServiceSecurity& security) { return {"127.0.0.1:0", board_, security}; }

  static ServiceSecurity with_tls(const Identity& service) {
    return {.tls = ServiceSecurity::Tls{.certificate = service.certificate, .key = service.key}};
  }
  static ServiceAccess trusting(const std::string& ca) { return {.tls = ServiceAccess::Tls{.ca = ca}}; }

  StatusBoard board_{{.run = "exp", .epochs = 50, .ranks = {{0, "node1", "cpu"}}}};
  const Identity authority_ = make_authority("test authority");
  const Identity service_ = make_signed_by(authority_, kHere);
};

// Every call of the service with this metadatum "authorization" (null: none), and its status codes.
std::vector<grpc::StatusCode> codes_of_all_calls(const std::string& address, const char* authorization) {
  const auto stub = v1::TrainingStatus::NewStub(direct_channel(address));
  std::vector<grpc::StatusCode> codes;
  const auto call = [&](const std::function<grpc::Status(grpc::ClientContext&)>& once) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    if (authorization != nullptr) context.AddMetadata("authorization", authorization);
    codes.push_back(once(context).error_code());
  };
  v1::Status status;
  v1::History history;
  v1::StopTrainingResponse stopped;
  call([&](grpc::ClientContext& context) { return stub->GetStatus(&context, {}, &status); });
  call([&](grpc::ClientContext& context) { return stub->GetHistory(&context, {}, &history); });
  call([&](grpc::ClientContext& context) { return stub->StopTraining(&context, {}, &stopped); });
  call([&](grpc::ClientContext& context) {
    const auto stream = stub->WatchStatus(&context, {});
    const bool read = stream->Read(&status);
    if (read) context.TryCancel();
    const grpc::Status end = stream->Finish();
    return read ? grpc::Status::OK : end;
  });
  return codes;
}

TEST_F(SecureService, WithoutTheTokenNoCallGoesThrough) {
  StatusServer server = serve({.token = kToken});
  for (const char* authorization : {static_cast<const char*>(nullptr), "Bearer wrong", "Bearer ", "c0ffee", ""})
    EXPECT_THAT(codes_of_all_calls(server.bound_address(), authorization),
                ::testing::Each(grpc::StatusCode::UNAUTHENTICATED))
        << authorization;
  EXPECT_FALSE(board_.stop_requested());
}

TEST_F(SecureService, WithTheTokenEveryCallGoesThrough) {
  StatusServer server = serve({.token = kToken});
  for (const char* authorization : {"Bearer c0ffee", "bearer c0ffee"})
    EXPECT_THAT(codes_of_all_calls(server.bound_address(), authorization), ::testing::Each(grpc::StatusCode::OK));
  EXPECT_TRUE(board_.stop_requested());
}

TEST_F(SecureService, HealthAndReflectionWantNoToken) {
  StatusServer server = serve({.token = kToken});
  const auto channel = direct_channel(server.bound_address());
  EXPECT_EQ(health_of(channel, ""), "SERVING");
  EXPECT_EQ(health_of(channel, "fer_ddp.v1.TrainingStatus"), "SERVING");
  std::string response;
  EXPECT_TRUE(
      call_bytes(channel, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*", response)
          .ok());
}

TEST_F(SecureService, TheClientSaysWhatToDoAboutAToken) {
  StatusServer server = serve({.token = kToken});
  StatusClient none(server.bound_address());
  EXPECT_THAT(complaint_of(none), HasSubstr("--token-file"));
  StatusClient wrong(server.bound_address(), {.token = "decaf"});
  const std::string message = complaint_of(wrong);
  EXPECT_THAT(message, HasSubstr("not the token"));
  EXPECT_THAT(message, ::testing::Not(HasSubstr("decaf")));
}

TEST_F(SecureService, ATokenIsNeverSentInTheClearBeyondLoopback) {
  EXPECT_THAT(complaint([] { StatusClient("node17:50051", {.token = kToken}); }), HasSubstr("--ca"));
}

TEST_F(SecureService, SpeaksTlsWithATokenToWatchersToo) {
  ServiceSecurity security = with_tls(service_);
  security.token = kToken;
  StatusServer server = serve(security);
  ServiceAccess access = trusting(authority_.certificate);
  access.token = kToken;
  std::promise<void> first_seen;
  auto last = std::async(std::launch::async, [&] {
    RunPhase phase{};
    bool first = true;
    StatusClient(server.bound_address(), access).watch(20, [&](const StatusClient::Answer& answer) {
      phase = answer.snapshot.phase;
      if (std::exchange(first, false)) first_seen.set_value();
    });
    return phase;
  });
  first_seen.get_future().wait();
  board_.update([](StatusSnapshot& status) { status.phase = RunPhase::kDone; });
  server.stop();
  EXPECT_EQ(last.get(), RunPhase::kDone);
}

TEST_F(SecureService, AnotherAuthoritysCertificateIsNotTrusted) {
  StatusServer server = serve(with_tls(service_));
  StatusClient client(server.bound_address(), trusting(make_authority("another").certificate));
  EXPECT_THAT(complaint_of(client), HasSubstr("--ca FILE"));
}

TEST_F(SecureService, TheServicesOwnCertificateMayBeTrustedByItself) {
  StatusServer server = serve(with_tls(service_));
  EXPECT_EQ(StatusClient(server.bound_address(), trusting(service_.certificate)).status().snapshot.run, "exp");
}

TEST_F(SecureService, AnotherNameIsNamedAndMayBeMeant) {
  StatusServer server = serve(with_tls(make_signed_by(authority_, "DNS:node1,DNS:node1.cluster")));
  ServiceAccess access = trusting(authority_.certificate);
  StatusClient client(server.bound_address(), access);
  const std::string message = complaint_of(client);
  EXPECT_THAT(message, HasSubstr("node1, node1.cluster"));
  EXPECT_THAT(message, HasSubstr("--server-name"));
  access.tls->server_name = "node1";
  EXPECT_EQ(StatusClient(server.bound_address(), access).status().snapshot.run, "exp");
}

TEST_F(SecureService, AnExpiredCertificateIsCalledThat) {
  StatusServer server = serve(with_tls(make_signed_by(authority_, kHere, Validity::kExpired)));
  StatusClient client(server.bound_address(), trusting(authority_.certificate));
  EXPECT_THAT(complaint_of(client), HasSubstr("expired"));
}

TEST_F(SecureService, WhoSpeaksInTheClearIsToldOfTls) {
  StatusServer server = serve(with_tls(service_));
  StatusClient client(server.bound_address());
  EXPECT_THAT(complaint_of(client), HasSubstr("speaks TLS"));
}

TEST_F(SecureService, WhoSpeaksTlsIsToldOfAServiceInTheClear) {
  StatusServer server = serve({});
  StatusClient client(server.bound_address(), trusting(authority_.certificate));
  EXPECT_THAT(complaint_of(client), HasSubstr("not by TLS"));
}

TEST_F(SecureService, TlsToNobodyIsARunThatIsGone) {
  StatusServer server = serve(with_tls(service_));
  const std::string address = server.bound_address();
  server.stop();
  StatusClient client(address, trusting(authority_.certificate));
  EXPECT_THROW(static_cast<void>(client.status()), ServiceGone);
}

class ServiceForCertifiedClients : public SecureService {
 protected:
  ServiceForCertifiedClients() { security_.tls->client_ca = clients_.certificate; }

  [[nodiscard]] ServiceAccess showing(const Identity& client) const {
    ServiceAccess access = trusting(authority_.certificate);
    access.tls->certificate = client.certificate;
    access.tls->key = client.key;
    return access;
  }

  const Identity clients_ = make_authority("the clients' authority");
  ServiceSecurity security_ = with_tls(service_);
};

TEST_F(ServiceForCertifiedClients, AClientWithTheRightCertificateIsLetIn) {
  StatusServer server = serve(security_);
  StatusClient client(server.bound_address(), showing(make_signed_by(clients_, "DNS:client")));
  EXPECT_EQ(client.status().snapshot.run, "exp");
}

TEST_F(ServiceForCertifiedClients, AClientWithoutACertificateIsToldSo) {
  StatusServer server = serve(security_);
  StatusClient client(server.bound_address(), trusting(authority_.certificate));
  EXPECT_THAT(complaint_of(client), HasSubstr("wants a client certificate"));
}

TEST_F(ServiceForCertifiedClients, AnotherAuthoritysClientIsTurnedAway) {
  StatusServer server = serve(security_);
  StatusClient client(server.bound_address(), showing(make_signed_by(authority_, "DNS:client")));
  EXPECT_THAT(complaint_of(client), HasSubstr("refused the client certificate"));
}

TEST_F(ServiceForCertifiedClients, AClientWhoseCertificateExpiredIsTurnedAway) {
  StatusServer server = serve(security_);
  StatusClient client(server.bound_address(), showing(make_signed_by(clients_, "DNS:client", Validity::kExpired)));
  EXPECT_THAT(complaint_of(client), HasSubstr("refused the client certificate"));
}

TEST_F(ServiceForCertifiedClients, OffTheNodeOnlyATokenStopsARun) {
  StatusServer server("0.0.0.0:0", board_, security_);
  const std::string port = server.bound_address().substr(server.bound_address().rfind(':'));
  StatusClient client("127.0.0.1" + port, showing(make_signed_by(clients_, "DNS:client")));
  EXPECT_EQ(client.status().snapshot.run, "exp");
  EXPECT_THAT(complaint([&] { client.request_stop(); }), HasSubstr("status_token_file"));
  EXPECT_FALSE(board_.stop_requested());
}

TEST_F(SecureService, OffTheNodeNobodyServesWithoutAGuard) {
  EXPECT_THROW(StatusServer("0.0.0.0:0", board_, {}), Error);
  EXPECT_THROW(StatusServer("0.0.0.0:0", board_, {.token = kToken}), Error);
  EXPECT_THROW(StatusServer("0.0.0.0:0", board_, with_tls(service_)), Error);
}

TEST(BearerToken, IsComparedWhole) {
  const BearerToken token("secret");
  EXPECT_TRUE(token.allows(bearer_authorization("secret")));
  for (const char* shown : {"secret", "Bearer secre", "Bearer secrets", "Bearer  secret", "Basic secret", "Bearer", ""})
    EXPECT_FALSE(token.allows(shown)) << shown;
}

}  // namespace

}  // namespace fer_ddp
