from components.training.promote_champion.component import promote_champion

__all__ = ["promote_champion"]
