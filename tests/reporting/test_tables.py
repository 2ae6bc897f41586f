"""Result and comparison tables, read as text."""

from anode.evaluation.comparison import summarise
from anode.evaluation.run_metrics import RunMetrics
from anode.reporting.common.tables import comparison_table, result_table


def run(**changes: object) -> RunMetrics:
    """Numbers of a complete run."""
    entries: dict[str, object] = {
        "method": "anode",
        "seed": 1,
        "auc": 0.8812,
        "auc_error": 0.004,
        "max_sic": 6.21,
        "max_sic_error": 0.5,
        "max_sic_fpr": 0.0012,
        "sic_at_fpr": {"1e-2": 4.0, "1e-3": None},
        "sic_at_fpr_error": {"1e-2": 0.1, "1e-3": None},
        "fpr_floor": 0.0016,
        "n_test_signal": 9000,
        "n_test_background": 15000,
        "n_data_sr": 15270,
        "n_data_sb": 120000,
        "n_injected_sr": 270,
        "s_over_b": 0.018,
        "s_over_sqrt_b": 2.2,
        "n_dropped": 0,
        "seconds": 312.4,
    }
    return RunMetrics(**entries | changes)  # type: ignore[arg-type]


def cells(table: str, first: str) -> list[str]:
    """The cells of a markdown row."""
    row = next(row for row in table.splitlines() if row.startswith(f"| {first} "))
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def test_result_table_shows_values_with_errors() -> None:
    table = result_table(run(), markdown=True)
    assert cells(table, "AUC") == ["AUC", "0.881 ± 0.004"]
    assert cells(table, "max SIC")[1] == "6.21 ± 0.50 at FPR 0.0012"
    assert cells(table, "SIC at FPR 1e-2")[1] == "4.00 ± 0.10"
    assert cells(table, "SIC at FPR 1e-3")[1] == "below the floor of 0.0016"
    assert cells(table, "S/B, S/sqrt(B)")[1] == "1.80%, 2.20"
    assert cells(table, "data events")[1] == "15,270 / 120,000"
    assert cells(table, "time")[1] == "312 s"


def test_text_columns_line_up() -> None:
    lines = result_table(run()).splitlines()
    start = lines[0].index("value")
    assert all(line[start - 2 : start].strip() == "" for line in lines[2:])
    assert "|" not in result_table(run())


def test_without_labels_the_table_says_so() -> None:
    table = result_table(RunMetrics("anode", 1), markdown=True)
    assert "no truth labels: no ROC/SIC" in table
    assert cells(table, "data events")[1] == "- / -"


def test_comparison_gives_median_and_interval_over_runs() -> None:
    runs = [run(auc=0.1 * index, seconds=12.0) for index in range(1, 6)]
    table = comparison_table({"five": runs, "one": runs[:1]}, markdown=True)
    header = cells(table, "group")
    five = dict(zip(header, cells(table, "five"), strict=True))
    assert five["runs"] == "5"
    assert five["AUC"] == "0.300 [0.163, 0.437]"
    assert five["time [s]"] == "12 [12, 12]"
    assert five["SIC at FPR 1e-3"] == "-"
    assert dict(zip(header, cells(table, "one"), strict=True))["AUC"] == "0.100"


def test_runs_without_a_value_are_counted_not_hidden() -> None:
    runs = [run(), run(max_sic=None), run(auc=None, sic_at_fpr=None)]
    table = comparison_table({"some": runs}, markdown=True)
    row = dict(zip(cells(table, "group"), cells(table, "some"), strict=True))
    assert row["max SIC"].endswith("(2)")
    assert row["AUC"].endswith("(2)")
    assert row["SIC at FPR 1e-2"].endswith("(2)")


def test_comparison_says_how_much_signal_there_was_and_where_statistics_end() -> None:
    runs = [run(s_over_b=0.01), run(s_over_b=0.012, n_test_background=16000)]
    table = comparison_table(
        {"two": runs, "unknown": [run(s_over_b=None, fpr_floor=None)]}, markdown=True
    )
    header = cells(table, "group")
    two = dict(zip(header, cells(table, "two"), strict=True))
    assert two["S/B [%]"] == "1.10 [1.03, 1.17]"
    assert two["lowest FPR (test background)"] == "1.6e-03 (15,000 to 16,000)"
    unknown = dict(zip(header, cells(table, "unknown"), strict=True))
    assert unknown["S/B [%]"] == unknown["lowest FPR (test background)"] == "-"


def test_cost_has_columns_where_it_is_known() -> None:
    assert "CPU" not in comparison_table({"old": [run()]})
    one = comparison_table({"anode": [run(cpu_seconds=62.1)]}, markdown=True)
    assert cells(one, "group")[-2:] == ["CPU [s]", "time [s]"]
    other = run(method="cwola", cpu_seconds=30.0, max_sic=None)
    table = comparison_table({"anode": [run(cpu_seconds=62.1)], "cwola": [other]}, markdown=True)
    assert cells(table, "group")[-3:] == ["CPU [s]", "CPU [s] / max SIC", "time [s]"]
    assert cells(table, "anode")[-3:] == ["62", "10.0", "312"]
    assert cells(table, "cwola")[-3:] == ["30", "-", "312"]


def test_users_of_truth_labels_are_marked() -> None:
    groups = {"iad": [run(uses_truth=True)], "cwola": [run(uses_truth=False)], "old": [run()]}
    table = comparison_table(groups)
    assert [line.split()[0] for line in table.splitlines()[2:5]] == ["iad*", "cwola", "old"]
    assert "* uses truth labels: a ceiling, not a search" in table
    assert "uses truth" not in comparison_table({"old": [run()]})


def test_bars_in_group_names_do_not_break_markdown() -> None:
    assert r"a\|b" in comparison_table({"a|b": [run()]}, markdown=True)


def test_summary_is_none_without_values() -> None:
    assert summarise([None, None]) is None
    assert summarise([]) is None
    one = summarise([2.0])
    assert one is not None
    assert (one.median, one.low, one.high, one.n) == (2.0, 2.0, 2.0, 1)
