fer_ddp_test(report_test
  SOURCES ${TEST_DIR}/report_history.cpp ${TEST_DIR}/report_html.cpp ${TEST_DIR}/report_progress.cpp
  GROUPED ${TEST_DIR}/learning_rate_chart.cpp ${TEST_DIR}/report_chart.cpp ${TEST_DIR}/report_page.cpp
          ${TEST_DIR}/report_predictions.cpp ${TEST_DIR}/report_tensorboard.cpp
  LINKS fer_ddp_report fer_ddp_tensorboard_proto)
