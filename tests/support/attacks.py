"""Forty bad inputs and attacks, and the tests that try each.

Common rule: what is refused leaves no ledger row, no changed status and no side effect, has a code,
is no stack trace and no 5xx. `ATTACKS` says, by number, what is tried and which tests show that it
does not work; `test_attacks.py` holds every name to a test that is there.

"""

from __future__ import annotations

from typing import Final, NamedTuple


class Attack(NamedTuple):
    """What is tried; and the tests, as `file::test`, one a line."""

    what: str
    tests: str

    @property
    def names(self) -> list[tuple[str, str]]:
        """(file below tests/, test)."""
        pairs = (line.strip().partition("::") for line in self.tests.split())
        return [(file, test) for file, _, test in pairs]


ATTACKS: Final = {
    1: Attack(
        "amounts that are negative, zero or -0",
        """
        hostile/test_amounts.py::test_what_is_no_amount_is_refused_at_its_field
        models/accounts/test_api_keys.py::test_a_budget_that_is_no_amount_is_refused_at_its_number_and_makes_nothing
        schema/test_mutations.py::test_a_refusal_stands_at_its_field_and_nothing_changes
        """,
    ),
    2: Attack(
        "NaN, Infinity, 1e400",
        """
        hostile/test_amounts.py::test_what_is_no_decimal_is_refused_unread
        schema/core/test_scalars.py::test_what_is_no_exact_decimal_is_refused
        """,
    ),
    3: Attack(
        "1E+1000000, thousands of digits",
        "hostile/test_amounts.py::test_what_is_no_decimal_is_refused_unread",
    ),
    4: Attack(
        "more decimals than the currency has",
        """
        hostile/test_amounts.py::test_what_is_no_amount_is_refused_at_its_field
        models/test_money.py::test_more_decimals_than_the_currency_has_are_refused_not_rounded
        """,
    ),
    5: Attack(
        "digits of other scripts, underscores, blanks, signs",
        """
        hostile/test_amounts.py::test_what_is_no_decimal_is_refused_unread
        journeys/test_bad_input.py::test_what_cannot_be_read_is_bad_input
        """,
    ),
    6: Attack(
        "amounts beyond every cap, and sums beyond 64 bits",
        """
        hostile/test_amounts.py::test_what_is_no_amount_is_refused_at_its_field
        models/test_money.py::test_an_amount_that_no_sum_could_hold_is_refused
        models/invoices/test_deposit.py::test_the_maximum_balance_counts_credit_and_what_is_reserved_and_has_begun
        """,
    ),
    7: Attack(
        "currencies that are none, or not the account's",
        """
        hostile/test_amounts.py::test_what_is_no_currency_is_refused
        models/test_money.py::test_two_currencies_are_never_added
        """,
    ),
    8: Attack(
        "rounding",
        """
        models/test_money.py::test_tax_is_rounded_once_a_rate
        models/invoices/test_order.py::test_lines_are_rounded_once_each_and_tax_once_a_rate
        """,
    ),
    9: Attack(
        "NUL, lone surrogates, overrides of direction, a megabyte of memo",
        """
        schema/test_mutations.py::test_no_text_breaks_a_mutation
        schema/test_queries.py::test_text_that_cannot_be_looked_for_is_bad_input
        models/test_text.py::test_what_cannot_be_printed_is_refused
        models/test_text.py::test_more_than_there_is_room_for_is_refused
        """,
    ),
    10: Attack(
        "moments without offset, out of range, turned around",
        """
        hostile/test_amounts.py::test_what_is_no_moment_is_refused_and_turned_around_finds_nothing
        schema/core/test_scalars.py::test_a_moment_that_is_not_exact_is_refused
        """,
    ),
    11: Attack(
        "bodies that are no JSON, too deep, too large, wrongly encoded",
        """
        api/endpoint/test_http.py::test_a_malformed_body_is_400
        api/endpoint/test_http.py::test_only_plain_json_is_read
        api/endpoint/test_http.py::test_a_large_body_is_413_whether_announced_or_not
        journeys/test_bad_input.py::test_a_body_that_is_no_request_is_4xx
        """,
    ),
    12: Attack(
        "the same key again: later, at once, after kill -9",
        """
        models/payments/test_races.py::test_one_key_used_fifty_times_at_once_has_one_effect_and_one_answer
        hostile/test_races.py::test_one_key_fifty_times_at_once_has_one_effect_and_one_answer
        models/access/test_budget.py::test_a_repeated_click_counts_once_and_a_void_gives_no_budget_back
        journeys/test_retries.py::test_after_kill_9_every_answer_holds_and_every_click_counts_once
        """,
    ),
    13: Attack(
        "the same key for something else, or of somebody else",
        """
        models/journal/test_idempotency.py::test_a_key_is_not_used_again_with_other_input_and_nothing_changes
        models/journal/test_idempotency.py::test_a_key_is_not_used_again_for_another_operation
        hostile/test_amounts.py::test_a_strangers_key_neither_collides_nor_tells
        """,
    ),
    14: Attack(
        "a key that is missing, empty, long or not ASCII",
        """
        hostile/test_amounts.py::test_a_mutation_without_a_good_key_does_nothing
        models/journal/test_idempotency.py::test_a_key_is_printable_ascii_of_at_most_255_characters
        """,
    ),
    15: Attack(
        "double spend, of credit and of a key's budget",
        """
        hostile/test_races.py::test_a_keys_budget_is_not_exceeded_by_all_servers_together
        models/access/test_budget.py::test_both_keys_of_a_line_at_once_share_one_budget
        hostile/test_races.py::test_credit_for_one_of_many_invoices_pays_exactly_one
        models/payments/test_races.py::test_credit_for_one_of_twenty_invoices_pays_exactly_one
        """,
    ),
    16: Attack(
        "one invoice paid twice, by two clicks or two routes",
        """
        hostile/test_races.py::test_one_invoice_paid_by_many_clicks_is_paid_once
        hostile/test_races.py::test_one_invoice_paid_by_credit_and_by_its_gateway_at_once_is_paid_once
        """,
    ),
    17: Attack(
        "one voucher by many accounts",
        """
        hostile/test_races.py::test_fifty_accounts_at_once_redeem_a_voucher_once
        models/payments/test_races.py::test_one_account_redeems_a_voucher_once_however_often_it_tries
        """,
    ),
    18: Attack(
        "refunds beyond the capture, twice, after the credit was spent",
        """
        hostile/test_races.py::test_a_refund_told_fifty_times_at_once_is_taken_once_and_never_beyond_what_was_captured
        models/credit/test_debt.py::test_taking_back_spent_credit_takes_what_is_there_and_leaves_a_debt
        """,
    ),
    19: Attack(
        "leaving in the middle of a mutation",
        """
        hostile/test_cancellation.py::test_sockets_closed_in_the_middle_of_mutations_wedge_nothing_and_leak_nothing
        api/endpoint/test_websocket.py::test_a_mutation_is_done_whole_whatever_its_client_does
        """,
    ),
    20: Attack(
        "a COMMIT that fails",
        """
        hostile/test_durability.py::test_a_commit_that_is_refused_is_an_error_and_nothing_of_it_comes_later
        models/db/test_transactions.py::test_a_commit_that_fails_is_rolled_back_and_not_applied_later
        """,
    ),
    21: Attack(
        "messages that are forged, changed, unsigned, or written anew",
        """
        journeys/test_messages.py::test_a_forged_old_or_changed_message_changes_nothing
        api/gateways/test_webhooks.py::test_a_body_that_was_written_anew_is_refused
        api/gateways/test_webhooks.py::test_an_unsigned_message_is_refused
        api/gateways/sandbox/test_gateway.py::test_somebody_elses_secret_is_refused
        """,
    ),
    22: Attack(
        "messages that come again, or late",
        """
        api/gateways/sandbox/test_gateway.py::test_an_old_or_future_message_is_refused
        journeys/test_messages.py::test_a_signed_message_is_money_and_is_money_once
        models/payments/test_races.py::test_one_capture_under_fifty_event_ids_at_once_is_booked_once
        """,
    ),
    23: Attack(
        "messages out of order",
        """
        models/payments/test_settlement_order.py::test_every_order_of_messages_ends_the_same
        models/payments/test_settlement.py::test_nothing_said_after_a_capture_undoes_it
        models/payments/test_settlement.py::test_news_that_comes_before_its_payment_waits_for_it
        """,
    ),
    24: Attack(
        "signed messages about what is not ours",
        """
        journeys/test_messages.py::test_a_readable_message_about_nothing_of_ours_is_kept_and_does_nothing
        models/payments/test_settlement.py::test_money_that_cannot_be_booked_is_put_aside
        models/payments/test_settlement.py::test_news_of_another_gateways_payment_is_put_aside
        """,
    ),
    25: Attack(
        "a crash between the gateway's answer and the commit",
        """
        hostile/test_crashes.py::test_a_crash_around_the_gateways_answer_is_one_payment_when_it_is_asked_again
        hostile/test_crashes.py::test_what_a_crash_left_behind_is_found_without_being_asked
        models/payments/test_settlement.py::test_news_of_a_payment_that_never_comes_is_put_aside_in_the_end
        """,
    ),
    26: Attack(
        "URLs of webhooks that lead to where only we get, and names that change after a look",
        """
        models/partners/test_address.py::test_what_parsers_read_differently_is_no_url
        models/partners/test_address.py::test_no_host_of_our_own_network_is_called
        models/partners/test_address.py::test_nothing_is_sent_unencrypted
        models/partners/test_address.py::test_no_other_service_is_called
        models/partners/test_host.py::test_what_leads_inside_or_nowhere_is_refused_alike_when_it_is_saved
        models/partners/test_host.py::test_when_it_is_saved_and_when_it_is_called_the_same_is_refused
        models/partners/test_host.py::test_a_refusal_takes_the_same_time_whatever_it_is_for
        api/webhooks/test_caller.py::test_a_name_that_leads_inside_is_not_connected_to
        api/webhooks/test_caller.py::test_a_name_is_resolved_once_and_its_address_is_the_one_that_is_connected_to
        api/webhooks/test_caller.py::test_a_redirect_is_a_failure_and_is_not_followed
        """,
    ),
    27: Attack(
        "endpoints of partners that are slow, broken, endless or gone",
        """
        api/webhooks/test_caller.py::test_of_a_huge_answer_little_is_read_and_less_is_kept
        api/webhooks/test_caller.py::test_an_answer_that_does_not_come_is_not_waited_for
        api/webhooks/test_sender.py::test_a_slow_endpoint_with_much_waiting_delays_no_other
        models/partners/test_sending.py::test_what_failed_is_sent_again_with_the_same_id_and_body_and_a_fresh_signature
        models/partners/test_sending.py::test_an_endpoint_that_is_gone_is_disabled_at_once
        """,
    ),
    28: Attack(
        "other accounts' ids, in every field",
        """
        hostile/test_access.py::test_the_table_has_every_field_of_the_schema
        hostile/test_access.py::test_a_query_tells_each_caller_their_own_and_changes_nothing
        hostile/test_access.py::test_an_id_finds_its_object_for_those_who_may_see_it
        hostile/test_access.py::test_a_mutation_is_done_by_those_who_may_and_changes_nothing_otherwise
        hostile/test_access.py::test_a_stream_is_for_those_who_may_listen
        hostile/test_access.py::test_a_socket_is_for_those_who_may_listen
        hostile/test_access.py::test_a_pdf_link_works_for_its_invoice_alone_whoever_has_it
        """,
    ),
    29: Attack(
        "JWTs of every kind, and tokens that were good once",
        """
        hostile/test_tokens.py::test_a_token_that_was_made_up_is_nobodys
        api/issuers/test_issuers.py::test_a_hostile_token_signs_nobody_in
        models/accounts/test_hand_over.py::test_used_old_foreign_and_truncated_links_are_one_refusal
        hostile/test_access.py::test_who_is_somebody_no_more_does_nothing
        """,
    ),
    30: Attack(
        "subscriptions without a session, or longer than it",
        """
        hostile/test_access.py::test_a_socket_is_for_those_who_may_listen
        hostile/test_tokens.py::test_a_subscription_ends_with_its_session_and_hears_no_change_after
        hostile/test_tokens.py::test_a_subscription_ends_by_itself_when_its_session_runs_out
        hostile/test_tokens.py::test_a_socket_does_nothing_more_once_its_session_was_signed_out
        """,
    ),
    31: Attack(
        "sockets of foreign pages and of the legacy protocol",
        """
        hostile/test_browsers.py::test_a_foreign_page_opens_no_socket
        hostile/test_browsers.py::test_the_legacy_protocol_opens_no_socket
        """,
    ),
    32: Attack(
        "forged requests: forms, addresses, foreign pages",
        """
        hostile/test_browsers.py::test_no_form_of_another_page_moves_anything
        hostile/test_browsers.py::test_no_address_moves_anything
        hostile/test_browsers.py::test_a_foreign_page_is_refused_with_the_visitors_cookie
        hostile/test_browsers.py::test_the_cookies_attributes_keep_it_from_scripts_and_other_sites
        """,
    ),
    33: Attack(
        "API keys: wrong scope, revoked, in the address; what is kept of one",
        """
        hostile/test_access.py::test_a_query_tells_each_caller_their_own_and_changes_nothing
        hostile/test_tokens.py::test_a_good_token_counts_in_its_own_place_only
        hostile/test_tokens.py::test_a_socket_does_nothing_more_once_its_key_was_revoked
        models/accounts/test_hand_over.py::test_what_a_key_has_opened_ends_with_it
        models/accounts/test_external.py::test_a_key_makes_no_account_its_partners_that_it_merely_reaches
        models/access/test_session.py::test_only_hashes_are_kept
        models/access/test_api_key.py::test_a_wrong_secret_behind_a_right_prefix_is_nobodys
        """,
    ),
    34: Attack(
        "guessing voucher codes by aliases, batches and many sockets; hearing more than no",
        """
        hostile/test_tokens.py::test_voucher_guesses_are_counted_whatever_way_they_come
        hostile/test_tokens.py::test_voucher_codes_that_are_no_good_are_the_same_words_and_work
        models/credit/test_voucher.py::test_a_code_has_a_hundred_random_bits_and_only_its_hash_is_kept
        schema/engine/test_limits.py::test_secrets_are_guessed_once_a_request
        """,
    ),
    35: Attack(
        "documents that are deep, wide, recursive or exponential",
        """
        hostile/test_query_limits.py::test_a_hostile_document_is_refused_at_once_and_with_a_code
        schema/engine/test_limits.py::test_an_exponential_fragment_bomb_is_refused_at_once
        """,
    ),
    36: Attack(
        "pages that are too large, negative, or of a forged cursor",
        """
        journeys/test_bad_input.py::test_a_page_that_there_cannot_be_is_an_error
        hostile/test_query_limits.py::test_no_page_is_larger_than_a_hundred
        models/credit/test_reading.py::test_a_cursor_that_is_none_is_refused
        models/credit/test_reading.py::test_pages_of_invoices_meet_and_take_no_foreign_cursor
        """,
    ),
    37: Attack(
        "reading the schema: introspection, explorers, suggestions",
        """
        hostile/test_production.py::test_strangers_learn_nothing_of_the_schema_and_members_read_it
        hostile/test_production.py::test_misspelt_names_get_no_help
        hostile/test_production.py::test_there_is_no_explorer_and_no_sandbox_unless_switched_on
        """,
    ),
    38: Attack(
        "slow and silent peers",
        """
        hostile/test_slow_peers.py::test_a_head_that_takes_too_long_is_cut
        hostile/test_slow_peers.py::test_a_body_that_takes_too_long_is_cut
        hostile/test_slow_peers.py::test_silent_sockets_are_closed_and_others_served_meanwhile
        hostile/test_slow_peers.py::test_subscribing_and_leaving_over_and_over_leaves_nothing_behind
        """,
    ),
    39: Attack(
        "documents that fetch, embed or run what is typed into them",
        """
        api/pdf/test_hostile_text.py::test_hostile_text_is_only_text
        api/pdf/test_hostile_text.py::test_a_page_may_fetch_nothing
        api/pdf/test_renderer.py::test_a_render_that_takes_too_long_is_killed_and_the_next_one_works
        hostile/test_access.py::test_a_pdf_link_works_for_its_invoice_alone_whoever_has_it
        """,
    ),
    40: Attack(
        "lines of the log, names of files, secrets in either, formulas in CSV",
        """
        api/downloads/test_documents.py::test_a_spreadsheet_takes_no_text_for_a_formula
        hostile/test_production.py::test_the_logs_of_a_whole_journey_hold_no_secret
        api/observe/test_telemetry.py::test_line_breaks_cannot_forge_a_line
        api/downloads/test_documents.py::test_a_link_downloads_the_invoice_under_its_number
        """,
    ),
}
