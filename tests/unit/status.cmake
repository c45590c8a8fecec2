fer_ddp_test(status_test
  GROUPED ${TEST_DIR}/certificates.cpp ${TEST_DIR}/grpc_calls.cpp ${TEST_DIR}/live_view.cpp ${TEST_DIR}/status_address.cpp
          ${TEST_DIR}/status_keys.cpp ${TEST_DIR}/status_metrics.cpp ${TEST_DIR}/status_security.cpp
          ${TEST_DIR}/status_service.cpp ${TEST_DIR}/status_text.cpp
  LINKS fer_ddp_status fer_ddp_status_proto PkgConfig::PROMETHEUS OpenSSL::Crypto)
