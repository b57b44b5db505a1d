from components.evaluation.compare_with_champion.component import compare_with_champion

__all__ = ["compare_with_champion"]
